// Comforts of the staff's pages. Every page is complete without them.

const EVERY = 20_000; // milliseconds between two looks
const unattended = { headers: { "X-Unattended": "1" }, redirect: "manual", cache: "no-store" };

// What is on the screen keeps up with the day, and goes away when the sign-in has run out.
const look = async () => {
  const shown = document.querySelector("[data-state]");
  if (!shown || document.hidden || isBusy()) return;
  const answer = await fetch(shown.dataset.pulse, unattended);
  if (answer.type === "opaqueredirect") return location.reload();
  if (!answer.ok || (await answer.json()).state === shown.dataset.state) return;
  const page = await fetch(location.href, unattended);
  if (page.type === "basic" && page.ok && !isBusy()) redraw(await page.text());
};

// Nobody loses what they are typing or dragging.
const isBusy = () =>
  Boolean(document.activeElement?.closest("main :is(input, select, textarea)")) ||
  document.body.classList.contains("dragging");

const redraw = (text) => {
  const main = document.querySelector("main");
  const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
  if (!fresh) return;
  const said = [...main.querySelectorAll(".said")]; // it may hold an "Undo" that still counts
  const focused = handle(document.activeElement);
  const [left, top] = [scrollX, scrollY];
  main.replaceChildren(...said, ...fresh.childNodes);
  scrollTo({ left, top, behavior: "instant" });
  [...main.querySelectorAll("a, button, summary")]
    .find((each) => focused && handle(each) === focused)
    ?.focus({ preventScroll: true });
  makeDraggable();
};

const handle = (element) =>
  element?.closest("main")
    ? `${element.tagName} ${element.href ?? element.form?.action ?? ""} ${element.textContent}`
    : null;

const lookQuietly = () => look().catch(() => {}); // offline: the next look may succeed
if (document.querySelector("[data-state]")) {
  setInterval(lookQuietly, EVERY);
  document.addEventListener("visibilitychange", lookQuietly);
}

// An appointment is dragged to a free time; the page that it leads to asks before it moves.
const makeDraggable = () => {
  for (const item of document.querySelectorAll("[data-movable]")) {
    item.draggable = true;
    item.addEventListener("dragstart", (event) => {
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", item.dataset.movable);
      offerTimes(item.dataset.starts).catch(() => {});
    });
    item.addEventListener("dragend", putAway);
  }
};

const offerTimes = async (address) => {
  document.body.classList.add("dragging");
  const answer = await fetch(address);
  if (!answer.ok || !document.body.classList.contains("dragging")) return;
  for (const { start, practitioner, text, href } of (await answer.json()).starts) {
    const column = document.querySelector(`[data-practitioner="${practitioner}"][data-day="${start.day}"]`);
    const gaps = [...(column?.querySelectorAll("[data-from]") ?? [])];
    const within = ({ dataset }) => dataset.from <= start.at && start.at < dataset.until;
    gaps.find(within)?.append(target(text, href));
  }
};

const target = (text, href) => {
  const chip = document.createElement("span");
  chip.className = "slot drop";
  chip.textContent = text;
  chip.addEventListener("dragover", (event) => {
    event.preventDefault();
    chip.classList.add("over");
  });
  chip.addEventListener("dragleave", () => chip.classList.remove("over"));
  chip.addEventListener("drop", (event) => {
    event.preventDefault();
    location.assign(href);
  });
  return chip;
};

const putAway = () => {
  document.body.classList.remove("dragging");
  for (const chip of document.querySelectorAll(".drop")) chip.remove();
};

makeDraggable();
