// Whether too little is left of a password without the words known of its owner. The server decides by the
// same steps, in db/auth/known_words.py; the password leaves the browser only when it is sent.

const symbols = Object.fromEntries(
  [..."0123456789@$!|+(€£"].map((char, place) => [char, "oizeasgtbgasiltcel"[place]]),
);
const plain = Object.fromEntries([..."ßøłđðıæœ"].map((char, place) => [char, "solddiao"[place]]));
const trimmings = new RegExp([
  "(?:19|20)\\d\\d",
  "spring|summer|autumn|winter|fr(?:ü|ue)hling|fr(?:ü|ue)hjahr|sommer|herbst",
  "january?|januar|february?|februar|march|m(?:ä|ae)rz|april|june|juni|july|juli|august|september",
  "o[ck]tober|november|de[cz]ember",
].join("|"), "gi");

function fold(text, read = {}) {
  const [letters, spans] = [[], []];
  let last = "";
  for (const [place, char] of text.entries()) {
    for (const each of (plain[char.toLowerCase()] ?? char.toLowerCase()).normalize("NFKD")) {
      const letter = read[each] ?? each;
      if (!/\p{L}/u.test(letter)) continue;
      if (letter === last || (letter === "e" && /[aou]/.test(last))) {
        spans.at(-1)[1] = place + 1;
      } else {
        letters.push(letter === "l" ? "i" : letter);
        spans.push([place, place + 1]);
        last = letter;
      }
    }
  }
  return { letters, spans };
}

function runsOf(about) {
  const runs = new Set();
  for (const text of about) {
    const words = (text.match(/[\p{L}\p{M}]+/gu) ?? []).map((word) => [...word]);
    const whole = words.some((word) => word.length < 3) ? [words.flat()] : [];
    const initials = /[@.]/.test(text) ? [] : [words.map(([initial]) => initial)];
    for (const { letters } of [...words, ...whole, ...initials].map((word) => fold(word))) {
      for (let at = 0; letters.length > 2 && at <= Math.max(letters.length - 5, 0); at++) {
        runs.add(letters.slice(at, at + 5).join(""));
      }
    }
  }
  return runs;
}

function madeOfKnown(password, about) {
  const [typed, runs, covered] = [[...password], runsOf(about), new Set()];
  // Three digits that could be read as a short name come up by chance.
  const sizes = /\p{L}/u.test(password) ? [3, 4, 5] : [5];
  for (const backwards of [false, true]) {
    for (const read of [symbols, {}]) {
      const { letters, spans } = fold(backwards ? [...typed].reverse() : typed, read);
      for (const size of sizes) {
        for (let at = 0; at + size <= letters.length; at++) {
          if (runs.has(letters.slice(at, at + size).join(""))) {
            for (let place = spans[at][0]; place < spans[at + size - 1][1]; place++) {
              covered.add(backwards ? typed.length - 1 - place : place);
            }
          }
        }
      }
    }
  }
  const left = typed.map((char, place) => (covered.has(place) ? "\n" : char)).join("").split("\n");
  const bare = left
    .map((piece) => piece.replace(trimmings, "").replace(/^[^\p{L}]+|[^\p{L}]+$/gu, ""))
    .join("");
  return covered.size > 0 && [...bare].length < 8;
}

// Whether it is a usual word with the usual around it, or hardly more than years, seasons and months. The
// server knows more, in db/auth/common_passwords.py, and says so when the password is sent.
function isUsual(password, words) {
  const letters = (text) => fold([...text], symbols).letters.join("");
  const [rest, usual] = [password.replace(trimmings, ""), new Set(words.map(letters))];
  const cores = [rest, rest.replace(/^[^\p{L}]+/u, "")]
    .flatMap((core) => [core, core.replace(/[^\p{L}]+$/u, "")]);
  return (rest !== password && [...rest].length < 8) || cores.some((core) => usual.has(letters(core)));
}
