"""This paper and this book: its tables, claims, runs, notebooks and report."""
