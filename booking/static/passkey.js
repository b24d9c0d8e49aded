// Passkeys: the browser is asked, and the form carries its answer. Without this the forms stay
// hidden, and a code does the same.

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// What JSON cannot hold is written in base64url, both ways.
const read = (options) => {
  options.challenge = toBytes(options.challenge);
  if (options.user) options.user.id = toBytes(options.user.id);
  for (const each of options.excludeCredentials ?? []) each.id = toBytes(each.id);
  return options;
};

const write = (credential) => {
  const { response } = credential;
  const said = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) said[name] = toText(response[name]);
  }
  const id = toText(credential.rawId);
  return JSON.stringify({ id, rawId: id, type: credential.type, response: said });
};

const ask = async (path) => {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error("no question");
  const publicKey = read(await answer.json());
  const making = "user" in publicKey;
  return write(await (making ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey })));
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential || window.location.origin !== form.dataset.origin) continue;
  form.hidden = false;
  for (const other of document.querySelectorAll("[data-no-passkey]")) other.hidden = true;
  const fault = form.querySelector("[data-fault]");
  let asking = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asking) return;
    [asking, fault.hidden] = [true, true];
    try {
      form.elements.answer.value = await ask(form.dataset.passkey);
      form.submit();
    } catch {
      fault.hidden = false; // refused, too slow, or no passkey for this address
    }
    asking = false;
  });
}
