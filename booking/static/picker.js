// The calendar of free times changes in place; without this every link is a page of its own.

const place = () => document.querySelector("[data-picker]");

// A month's free times come in one request; its days then change without another, for a minute:
// somebody may have booked meanwhile, and whoever comes back to the page looks anew.
const FRESH = 60_000;
const PATIENCE = 10_000; // then the page itself is asked for
let fetchedAt = 0;
let asking = 0; // of two requests under way only the last counts
document.addEventListener("visibilitychange", () => (fetchedAt = 0));

const show = async (address, { keep = "push", focus = null } = {}) => {
  const turn = ++asking;
  place().setAttribute("aria-busy", "true");
  place().querySelector("#times").inert = true; // times of another day than the one asked for
  const asked = new URL(address);
  asked.searchParams.set("whole", "1");
  const answer = await fetch(asked, { cache: "no-store", signal: AbortSignal.timeout?.(PATIENCE) });
  const fresh =
    answer.ok &&
    new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-picker]");
  if (turn !== asking) return;
  if (!fresh) return location.assign(address); // the page itself says what is the matter
  place().replaceWith(fresh);
  fetchedAt = Date.now();
  makeGrid();
  arrive(address, keep, focus);
};

const arrive = (address, keep, focus) => {
  if (keep === "push") history.pushState(null, "", address);
  if (keep === "replace") history.replaceState(null, "", address);
  for (const each of document.querySelectorAll(".languages a")) {
    const there = new URL(address); // the same month and day, in another language
    there.searchParams.set("lang", each.lang);
    each.href = there;
  }
  if (focus) place().querySelector(focus)?.focus();
  if (address.endsWith("#times")) place().querySelector("#times").scrollIntoView({ block: "nearest" });
};

const dayOf = (address) => new URL(address).searchParams.get("day");

const turnTo = (address, { keep = "push", focus = null } = {}) => {
  const day = dayOf(address);
  const found = place().querySelector(`template[data-day="${CSS.escape(day ?? "")}"]`);
  if (!found || !sameMonth(address) || Date.now() - fetchedAt > FRESH) return false;
  place().querySelector("#times").replaceWith(found.content.cloneNode(true));
  for (const each of place().querySelectorAll(".day")) {
    const chosen = each.href && dayOf(each.href) === day;
    each.classList.toggle("chosen", !!chosen);
    if (chosen) each.setAttribute("aria-current", "date");
    else each.removeAttribute("aria-current");
    if (each.href) each.tabIndex = chosen ? 0 : -1;
  }
  arrive(address, keep, focus);
  return true;
};

// Whether an address differs from the page's own in nothing but the day.
const sameMonth = (address) => {
  const [there, here] = [new URL(address), new URL(place().querySelector(".day.free").href)];
  return ["month", "practitioner", "tz"].every(
    (name) => there.searchParams.get(name) === here.searchParams.get(name),
  );
};

const change = (address, options) =>
  turnTo(address, options) || show(address, options).catch(() => location.assign(address));

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-picker] :is(.turn a, .day.free, .times .button)");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const focus = link.closest(".month-head") ? "#month-title" : "#times-title";
  change(link.href, { focus });
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-picker] form[method=get]");
  if (!form) return;
  event.preventDefault();
  const data = new FormData(form);
  const day = dayOf(location.href); // it may have changed in place since the form came
  if (day) data.set("day", day);
  else data.delete("day");
  const asked = new URL(form.action); // in a frame it has words of its own
  for (const [name, value] of data) asked.searchParams.set(name, value);
  change(asked.href, { focus: "#times-title" });
});

addEventListener("popstate", () => change(location.href, { keep: "none" }));

// One stop of the tab key for the whole month; arrows lead from one free day to the next
// (WAI-ARIA Authoring Practices, grid).
const makeGrid = () => {
  const table = place()?.querySelector(".days");
  const days = [...(table?.querySelectorAll(".day.free") ?? [])];
  if (!days.length) return;
  table.setAttribute("role", "grid");
  table.setAttribute("aria-labelledby", "month-title");
  const stop = (day) => days.forEach((each) => (each.tabIndex = each === day ? 0 : -1));
  stop(days.find((each) => each.ariaCurrent) ?? days[0]);
  table.addEventListener("focusin", (event) => days.includes(event.target) && stop(event.target));
  table.addEventListener("keydown", (event) => {
    const next = neighbour(days, days.indexOf(event.target), event.key);
    const turn = { PageUp: "first-child", PageDown: "last-child" }[event.key];
    if (next) next.focus();
    else if (turn) place().querySelector(`.month-head .turn a:${turn}`)?.click();
    else return;
    event.preventDefault();
  });
};

const neighbour = (days, at, key) => {
  const column = (day) => day.closest("td").cellIndex;
  const row = (day) => day.closest("tr").rowIndex;
  const here = days[at];
  if (!here) return null;
  const before = days.slice(0, at).reverse();
  const after = days.slice(at + 1);
  const [left, right] = document.dir === "rtl" ? [after[0], before[0]] : [before[0], after[0]];
  const week = days.filter((each) => row(each) === row(here));
  return {
    ArrowLeft: left,
    ArrowRight: right,
    ArrowUp: before.find((each) => column(each) === column(here)),
    ArrowDown: after.find((each) => column(each) === column(here)),
    Home: week[0],
    End: week.at(-1),
  }[key];
};

// Whoever meets us from elsewhere sees the times of their own clock, unless they chose another.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const choice = document.querySelector("[data-visitor] #tz");
const here = new URL(location);
if (choice && zone && choice.value !== zone && !here.searchParams.has("tz")) {
  here.searchParams.set("tz", zone);
  change(here.href, { keep: "replace" });
} else {
  makeGrid();
}
