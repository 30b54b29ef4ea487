"""The tests, a folder a wing."""
