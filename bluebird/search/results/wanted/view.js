// The large view of one find.

const view = $("#view");

function open(find) {
  viewed = find;
  $("#view-picture").replaceChildren(picture(find));
  $("#view-name").replaceChildren(element("bdi", { textContent: baseName(find.path) }));
  $("#view-path").replaceChildren(element("bdi", { textContent: find.path }));
  $("#view-classes").replaceChildren(...classRows(find, "tr", "td"));
  const novel = find.novelty >= summary.novel;
  $("#view-novelty").className = novel ? "novel" : "";
  const words = novel ? ": unlike anything it was trained on" : "";
  $("#view-novelty").textContent = `Novelty ${decimals(find.novelty, 2)}${words}`;
  $("#view-details").textContent = [
    `No. ${number(find.rank)}`,
    `score ${decimals(find.score, 3)}`,
    `${find.size[0]} × ${find.size[1]} px`,
    find.taken.replace("T", " "),
  ].filter(Boolean).join(" · ");
  $("#view-original").hidden = !find.href;
  $("#view-original").href = find.href;
  showMark(find);
  if (!view.open) view.showModal();
}

function step(by) {
  const index = next(current, by);
  if (index === null) return;
  moveTo(index);
  open(cards[index]);
}

view.onclose = () => { viewed = null; go(current); };
view.onclick = (event) => { if (event.target === view) view.close(); };
$("#close").onclick = () => view.close();
for (const button of view.querySelectorAll("[data-step]")) button.onclick = () => step(Number(button.dataset.step));
for (const button of view.querySelectorAll("[data-mark]")) button.onclick = () => setMark(viewed, button.dataset.mark);

