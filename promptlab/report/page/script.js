// Tables sort by the buttons in their headings and filter by the words above them.
"use strict";

const collator = new Intl.Collator("en", { numeric: true });

function valueOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
}

// Numbers before words, and empty cells last in either direction.
function compare(a, b, sign) {
  const empty = (value) => value === "" || value === "–";
  if (empty(a) || empty(b)) return empty(a) - empty(b);
  if (typeof a === "number" && typeof b === "number") return sign * (a === b ? 0 : a - b);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * collator.compare(a, b);
}

function sort(table, heading) {
  const column = heading.cellIndex;
  // scores are read from the best down, words from a
  const first = heading.classList.contains("n") ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const direction = heading.getAttribute("aria-sort") === first ? other : first;
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const body = table.tBodies[0];
  const keyed = Array.from(body.rows, (row) => [valueOf(row, column), row]);
  keyed.sort((a, b) => compare(a[0], b[0], sign));
  body.append(...keyed.map(([, row]) => row));
}

function filter(table, text, count) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    row.searched ??= row.textContent.toLowerCase();
    row.hidden = !words.every((word) => row.searched.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  const all = table.tBodies[0].rows.length;
  count.textContent = words.length ? `${shown} of ${all} rows` : `${all} rows`;
}

for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => sort(button.closest("table"), button.closest("th")));
}
for (const input of document.querySelectorAll("input[data-filters]")) {
  const table = document.getElementById(input.dataset.filters);
  const count = document.querySelector(`output[data-counts="${input.dataset.filters}"]`);
  input.addEventListener("input", () => filter(table, input.value, count));
}
