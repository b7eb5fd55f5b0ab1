const most = 60;
const search = document.getElementById("search");
const found = document.getElementById("found");
const contents = document.getElementById("contents");

/** Everything that has an anchor: its name, and what is said of it. */
const entries = [...document.querySelectorAll("main [id]")].map((element) => {
  const description = element.matches("dt")
    ? element.nextElementSibling
    : element.querySelector("p:not(.answers)");
  const name = element.id.replace(/^(Query|Mutation|Subscription)\./, "");
  const text = description?.textContent ?? "";
  return {
    id: element.id,
    name,
    text,
    key: name.toLowerCase(),
    all: `${name} ${text}`.toLowerCase(),
  };
});

/** The smaller, the better: the name itself, its last part, its beginning, a part of it, the text. */
function rank({ key }, words) {
  const word = words.join("");
  if (key === word) return 0;
  if (key.endsWith(`.${word}`)) return 1;
  if (key.startsWith(word)) return 2;
  return key.includes(word) ? 3 : 4;
}

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  contents.hidden = words.length > 0;
  const matches = words.length === 0
    ? []
    : entries.filter(({ all }) => words.every((word) => all.includes(word)))
      .map((entry) => ({ entry, rank: rank(entry, words) }))
      .sort((a, b) => a.rank - b.rank || a.entry.name.length - b.entry.name.length);
  found.replaceChildren(
    ...matches.slice(0, most).map(({ entry }) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `#${entry.id}`;
      link.textContent = entry.name;
      const text = document.createElement("small");
      text.textContent = entry.text.slice(0, 120);
      item.append(link, text);
      return item;
    }),
  );
  if (words.length > 0 && matches.length === 0) found.textContent = "Nothing has all these words.";
}

search.addEventListener("input", show);
show();
