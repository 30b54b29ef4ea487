([kit], key, {choices, switches, every}) => kit.start(key, root => {
  const table = root.querySelector("table"), body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells], rows = [...body.rows];
  const answer = root.querySelector(".answer");
  const controls = root.querySelector(".controls");
  const selects = [...controls.querySelectorAll("select")];
  let sorted = "";

  const value = (row, column) => {
    const cell = row.cells[column], text = cell.textContent;
    if (cell.dataset.order) return Number(cell.dataset.order);
    if (cell.classList.contains("number"))
      return text ? Number(text.replace("\u2212", "-")) : null;
    return text || null;
  };
  const compare = (p, q) => typeof p === "number" ? p - q
    : p.localeCompare(q, undefined, {numeric: true});
  const sort = column => {
    const head = heads[column], before = head.getAttribute("aria-sort");
    const number = head.classList.contains("number");
    const up = before === "none" ? !number : before === "descending";
    heads.forEach(each => each.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const sign = up ? 1 : -1;
    rows.map(row => [value(row, column), row])
      .sort(([p], [q]) => p === null || q === null
        ? (p === null) - (q === null) : sign * compare(p, q))
      .forEach(([, row]) => body.append(row));
    sorted = `, sorted by ${head.textContent}, ${up ? "ascending" : "descending"}`;
  };
  const show = () => {
    const wanted = choices.map(({column, options}, i) => [column, options[selects[i].value]]);
    rows.forEach(row => {
      row.hidden = wanted.some(([column, text]) =>
        text !== every && row.cells[column].textContent !== text);
    });
    const number = rows.filter(row => !row.hidden).length;
    answer.textContent = number ? `${number} of ${rows.length} rows${sorted}.`
      : "No row: nothing was run with this choice.";
  };
  heads.forEach((head, column) => {
    if (head.classList.contains("links")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => { sort(column); show(); });
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
  });
  /* A column of which one value is shown says nothing. */
  for (const {column} of choices.slice(0, switches))
    [...heads, ...rows.map(row => row.cells[column])].forEach((cell, i) => {
      if (i >= heads.length || i === column) cell.hidden = true;
    });
  selects.forEach(select => select.addEventListener("change", show));
  controls.hidden = false;
  show();
})
