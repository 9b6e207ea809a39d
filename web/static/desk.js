// Keeps a page of the desk as the server would draw it now. The server says by
// server-sent events that something changed; the page is then read again, and
// the parts that differ take the place of the old ones. Without script, the
// page works too, and is looked at again by itself or by hand.

const main = document.querySelector("[data-live-from]");
let reading = false, again = false;

// What a page that could not be reached rejects with, and after how long it is
// asked for again: a reload would leave the browser's own error page.
const away = "away";
const awayRetry = 1000;

function read() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.setRequestHeader("X-Cpsgate-Redraw", "1"); // no sign that somebody is there
    request.responseType = "document";
    request.onload = () => request.status === 200 && request.response ? resolve(request.response) : reject(new Error());
    request.onerror = () => reject(away);
    request.send();
  });
}

// replace swaps a part unless someone is writing in it; the focus stays on the
// control of the same id.
function replace(part, fresh) {
  if (!fresh || part.innerHTML === fresh.innerHTML) return;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  if (focused && focused.matches("input, select, textarea") && focused.value) return;
  const open = [...part.querySelectorAll("details[open][id]")].map((d) => d.id);
  part.replaceChildren(...[...fresh.childNodes].map((n) => document.importNode(n, true)));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  const next = focused?.id ? document.getElementById(focused.id) : null;
  next?.focus();
}

async function redraw() {
  if (reading) { again = true; return; }
  reading = true;
  do {
    again = false;
    try {
      const fresh = await read();
      for (const part of document.querySelectorAll("[data-part]")) replace(part, fresh.getElementById(part.id));
      const wanted = document.querySelector("[data-part] [autofocus]");
      if (wanted && (document.activeElement === document.body || !document.activeElement)) wanted.focus();
    } catch (why) {
      reading = false;
      if (why === away) setTimeout(redraw, awayRetry); else location.reload();
      return;
    }
  } while (again);
  reading = false;
}

if (main) {
  const events = new EventSource(main.dataset.liveFrom);
  let first = true; // tells the page as it is already
  for (const name of ["ticket", "queue", "import"]) {
    events.addEventListener(name, () => { if (first) first = false; else redraw(); });
  }
  const still = () => document.getElementById("still")?.removeAttribute("hidden");
  events.addEventListener("end", (end) => {
    events.close();
    redraw();
    if (!JSON.parse(end.data).over) still();
  });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) { redraw(); still(); }
  });
  addEventListener("pagehide", () => events.close());
}

// What stands in the field was looked for already: what is typed next takes its
// place.
const field = document.getElementById("who");
field?.addEventListener("focus", () => field.select());
if (field && document.activeElement === field) field.select();

addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
