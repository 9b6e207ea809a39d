// Sign-in with, and enrolment of, a card or key by Web Authentication Level 3.
// Every word shown comes from the page's <template>s or from the server's
// answer, and is set as text only.

const supported = typeof window.PublicKeyCredential === "function" &&
  typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function" &&
  typeof PublicKeyCredential.parseCreationOptionsFromJSON === "function";

class Refused extends Error {
  constructor(answer) { super(answer.reason); this.answer = answer; }
}
class Unreachable extends Error {}

async function post(path, body) {
  let response, answer;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Accept": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
    });
    answer = await response.json();
  } catch {
    throw new Unreachable();
  }
  if (!response.ok) throw new Refused(answer);
  return answer;
}

class Ceremony {
  constructor(place) {
    this.place = place;
    this.live = place.querySelector("[data-live]");
    this.button = place.querySelector("[data-start]");
    this.pending = null;
  }

  say(name) {
    const words = this.place.querySelector(`template[data-said="${name}"]`);
    const said = words.content.cloneNode(true);
    this.live.replaceChildren(said);
  }

  sayRefused(answer) {
    this.say("refused");
    this.live.querySelector("[data-title]").textContent = answer.title || "";
    this.live.querySelector("[data-why]").textContent = answer.why || "";
    this.live.querySelector("[data-event]").textContent = answer.event || "";
    const list = this.live.querySelector("[data-do]");
    for (const step of answer.do || []) {
      const item = document.createElement("li");
      item.textContent = step;
      list.append(item);
    }
  }

  sayFailure(error, asked) {
    if (error instanceof Refused) return this.sayRefused(error.answer);
    if (error instanceof Unreachable) return this.say("network");
    switch (error.name) {
      case "NotAllowedError":
      case "AbortError":
        return this.say(asked && performance.now() - asked.at >= asked.timeout - 500 ? "timeout" : "not-allowed");
      case "TimeoutError": return this.say("timeout");
      case "InvalidStateError": return this.say("registered");
      case "SecurityError": return this.say("security");
      case "NotSupportedError":
      case "ConstraintError": return this.say("unsupported");
      default: return this.say("unknown");
    }
  }

  // busy keeps the button focusable while a ceremony runs, and deaf.
  busy(on) {
    if (on) this.button.setAttribute("aria-disabled", "true");
    else this.button.removeAttribute("aria-disabled");
  }

  async press(run) {
    if (this.button.getAttribute("aria-disabled") === "true") return;
    this.busy(true);
    const asked = { at: performance.now(), timeout: Infinity };
    try {
      await run(asked);
      this.say("done");
    } catch (error) {
      this.sayFailure(error, asked);
      this.busy(false);
      offer(this);
    }
  }

  // quiet ends a conditional request that still waits: a browser serves one
  // request at a time.
  quiet() {
    if (this.pending) this.pending.abort();
    this.pending = null;
  }
}

async function login(ceremony, asked, extra) {
  const { place } = ceremony;
  const begun = await post(place.dataset.options, { return: place.dataset.return });
  asked.timeout = begun.publicKey.timeout || Infinity;
  asked.at = performance.now();
  if (!extra.mediation) ceremony.say("wait");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(begun.publicKey);
  const credential = await navigator.credentials.get({ publicKey, ...extra });
  asked.given = true;
  ceremony.say("check");
  try {
    const done = await post(place.dataset.finish, { ceremony: begun.ceremony, response: credential.toJSON() });
    location.assign(done.next);
  } catch (error) {
    forgetUnknown(error, begun.publicKey.rpId, credential.id);
    throw error;
  }
}

// forgetUnknown tells the browser that the credential it offered is none of
// ours, or never will be again, so that it stops offering it (WebAuthn L3
// §5.1.10.2). One that is merely suspended stays.
function forgetUnknown(error, rpId, credentialId) {
  if (!(error instanceof Refused) || !["passkey-unknown", "passkey-revoked"].includes(error.answer.reason)) return;
  PublicKeyCredential.signalUnknownCredential?.({ rpId, credentialId }).catch(() => {});
}

// offer arms the browser's own list of accounts in the name field, and arms it
// again when its challenge has grown old, as long as someone looks at the page.
// It says nothing until someone has chosen from that list.
async function offer(ceremony) {
  const field = ceremony.place.querySelector("[data-conditional]");
  if (!field) return;
  const can = await PublicKeyCredential.isConditionalMediationAvailable?.().catch(() => false);
  if (!can) return;
  field.hidden = false;
  for (let round = 0; round < 12; round++) {
    const asked = { at: performance.now(), timeout: Infinity, given: false };
    const pending = ceremony.pending = new AbortController();
    const signal = AbortSignal.any([pending.signal, AbortSignal.timeout(240_000)]);
    try {
      await login(ceremony, asked, { mediation: "conditional", signal });
      return ceremony.say("done");
    } catch (error) {
      if (pending.signal.aborted) return;
      if (asked.given) ceremony.sayFailure(error, asked);
      else if (!signal.aborted) return;
    }
    await seen();
  }
}

function seen() {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", () => resolve(), { once: true }));
}

async function add(ceremony, asked) {
  const { place } = ceremony;
  const begun = await post(place.dataset.options, {});
  asked.timeout = begun.publicKey.timeout || Infinity;
  asked.at = performance.now();
  ceremony.say("wait");
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.publicKey);
  const credential = await navigator.credentials.create({ publicKey });
  ceremony.say("check");
  const name = place.querySelector("[data-name]").value.trim();
  const done = await post(place.dataset.finish, { ceremony: begun.ceremony, name, response: credential.toJSON() });
  location.assign(done.next);
}

// tellHeld lets the browser drop what was removed here (WebAuthn L3 §5.1.10.3).
function tellHeld({ rp, user, held }) {
  if (!rp || !user) return;
  PublicKeyCredential.signalAllAcceptedCredentials?.({
    rpId: rp, userId: user, allAcceptedCredentialIds: held ? held.split(" ") : [],
  }).catch(() => {});
}

function start(place) {
  const needs = place.querySelector("[data-needs-script]");
  const button = place.querySelector("[data-start]");
  if (!supported) {
    const note = place.querySelector("[data-unsupported]");
    if (note) note.hidden = false;
    return;
  }
  if (place.dataset.passkey === "add") tellHeld(place.dataset);
  if (!button) return;
  if (needs) needs.hidden = false;
  button.hidden = false;
  const ceremony = new Ceremony(place);
  const run = place.dataset.passkey === "add"
    ? (asked) => add(ceremony, asked)
    : (asked) => { ceremony.quiet(); return login(ceremony, asked, {}); };
  button.addEventListener("click", () => ceremony.press(run));
  if (place.dataset.passkey !== "login") return;
  place.querySelector("#account-name").addEventListener("keydown", (event) => {
    if (event.key === "Enter") ceremony.press(run);
  });
  offer(ceremony);
}

// A page brought back from the browser's memory may show someone who left.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
for (const place of document.querySelectorAll("[data-passkey]")) start(place);
