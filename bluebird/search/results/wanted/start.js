// All that is told once, when the page opens.

function about(id, text) {
  $(`#${id} .about`).textContent = text;
}

function leftOut(section) {
  const rest = summary[section] - cards.filter((card) => card.section === section).length;
  return rest > 0 ? ` ${count(rest, "more is", "more are")} in finds.csv.` : "";
}

function tellCounts() {
  const { target } = summary;
  $("#count-finds").textContent = number(summary.finds);
  $("#count-lookalikes").textContent = number(summary.lookalikes);
  about("finds", summary.finds
    ? `${target} is well ahead of all other classes here. Best first; copies and bursts are folded into one.`
      + leftOut("finds")
    : `No picture in which ${target} is well ahead of every other class.`);
  about("lookalikes", summary.lookalikes
    ? `${target} won narrowly here, or came second: worth a look of your own.${leftOut("lookalikes")}`
    : `No picture in which ${target} won narrowly or came second.`);
}

function tellFailures() {
  const rest = summary.files_without_score - summary.failures.length;
  about("failures", summary.failures.length
    ? `These files have no score.${rest > 0 ? ` ${count(rest, "more is", "more are")} in failures.csv.` : ""}`
    : "Every file was looked at.");
  $("#failures table").hidden = !summary.failures.length;
  $("#failures tbody").append(...summary.failures.map(([path, status, reason]) => element("tr", {},
    element("td", {}, element("bdi", { textContent: path })),
    element("td", { textContent: status }),
    element("td", {}, element("bdi", { textContent: reason })))));
}

function showLikeness() {
  const best = cards.find((card) => card.section === "finds");
  $("#likeness").append(best ? picture(best) : element("span", { textContent: "no likeness yet" }));
}

cards.forEach(addCard);
if (cards.length) moveTo(0);
tellCounts();
tellFailures();
showLikeness();
showDownload();
applyLimit();
new ResizeObserver(drawHistogram).observe($("#histogram"));
