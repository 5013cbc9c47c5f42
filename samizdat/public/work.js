// Proof of work for the sign-up form: finds a number that makes SHA-256(stamp.number) begin with zero bits
// (samizdat/public/form_tokens.py). Nothing leaves the page but that number; without script the form works as well.
"use strict";
(function () {
  var K = [], H = [], n = 2, i;
  function part(x) { return ((x - Math.floor(x)) * 4294967296) | 0; }
  for (i = 0; i < 64; n++) {
    for (var d = 2; d * d <= n && n % d; d++);
    if (d * d <= n) continue;
    if (i < 8) H[i] = part(Math.pow(n, 1 / 2));
    K[i++] = part(Math.pow(n, 1 / 3));
  }
  var W = new Int32Array(64);
  function first(text) { // The first 32 bits of the hash of less than 56 ASCII characters.
    for (var i = 0; i < 16; i++) W[i] = 0;
    for (i = 0; i < text.length; i++) W[i >> 2] |= text.charCodeAt(i) << (24 - 8 * (i % 4));
    W[i >> 2] |= 128 << (24 - 8 * (i % 4));
    W[15] = 8 * text.length;
    for (i = 16; i < 64; i++) {
      var x = W[i - 15], y = W[i - 2];
      W[i] = (W[i - 16] + W[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) +
        ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10)) | 0;
    }
    var a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7];
    for (i = 0; i < 64; i++) {
      var s = (h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + K[i] + W[i]) | 0;
      var t = (((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c)) | 0;
      h = g; g = f; f = e; e = (d + s) | 0; d = c; c = b; b = a; a = (s + t) | 0;
    }
    return (a + H[0]) | 0;
  }
  var stamp = document.getElementById("stamp"), work = document.getElementById("work"), at = 0;
  if (!stamp || !work) return;
  (function some() { // In pieces, so that typing never waits for it.
    for (var end = at + 1500; at < end; at++) {
      if (first(stamp.value + "." + at) >>> 16 === 0) { work.value = at; return; }
    }
    setTimeout(some, 4);
  })();
})();
