// A click on a heading sorts the table by that column, a second click the other way round.
for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th"), body = button.closest("table").tBodies[0];
    const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const key = (row) => {
      const cell = row.cells[heading.cellIndex];
      const number = parseFloat(cell.dataset.value ?? cell.textContent.replace("−", "-"));
      return heading.classList.contains("number") ? number : cell.textContent;
    };
    // What is not a number goes to the end, whichever way the others are sorted.
    const order = (a, b) => {
      if (typeof a === "string") return sign * a.localeCompare(b, "en", { numeric: true });
      return Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0;
    };
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
  });
}

// What can be scrolled says so at the edge beyond which it goes on.
for (const box of document.querySelectorAll(".scroll")) {
  const mark = () => {
    box.classList.toggle("more-left", box.scrollLeft > 1);
    box.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  };
  const watch = new ResizeObserver(mark);
  for (const each of [box, ...box.children]) watch.observe(each);
  box.addEventListener("scroll", mark, { passive: true });
}
