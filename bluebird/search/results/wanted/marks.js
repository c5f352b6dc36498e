// What a person says of the finds, kept in this browser where it lets a page keep something.

function readMarks() {
  try { return JSON.parse(localStorage.getItem(location.pathname)) ?? []; } catch { return []; }
}

function setMark(find, mark) {
  if (marks.get(find.path) === mark) marks.delete(find.path);
  else marks.set(find.path, mark);
  try {
    localStorage.setItem(location.pathname, JSON.stringify([...marks]));
  } catch { /* then they last as long as the page is open */ }
  showMark(find);
  showDownload();
}

function showMark(find) {
  const mark = marks.get(find.path) ?? "";
  if (find.item) {
    const note = $(".mark", find.item);
    note.hidden = !mark;
    note.textContent = mark && `${mark === "confirmed" ? "✓" : "✗"} ${mark}`;
    find.item.dataset.mark = note.dataset.mark = mark;
  }
  if (find !== viewed) return;
  for (const button of view.querySelectorAll("[data-mark]")) button.ariaPressed = String(button.dataset.mark === mark);
}

function showDownload() {
  $("#download").hidden = !marks.size;
  $("#download").textContent = `Download ${count(marks.size, "mark", "marks")}`;
}

const csvField = (text) => `"${text.replaceAll('"', '""')}"`;

$("#download").onclick = () => {
  const rows = [...marks].map((row) => row.map(csvField).join(","));
  const file = new Blob([["path,mark", ...rows, ""].join("\r\n")], { type: "text/csv" });
  element("a", { href: URL.createObjectURL(file), download: "marks.csv" }).click();
};
