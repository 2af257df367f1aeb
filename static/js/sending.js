// How a file gets to the server: whole, or in parts that can be resumed. What is to be done about the answer: upload.js.
"use strict";

// `places`: where to; `progress` is told how much of a file is there; between two parts `isPaused` may hold it up.
window.sending = (places, progress, isPaused) => {
  const PART_FROM = 100e6; // bytes; what is larger goes up in parts
  const PART = 8e6;

  function ask(item, method, url, headers = {}, body = null, from = 0) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      item.request = request;
      request.open(method, url);
      request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
      request.setRequestHeader("X-Quiet", "1"); // a refused file comes with its code in a header: no fault of the page
      request.setRequestHeader("X-CSRFToken", document.querySelector("#card-action [name=csrfmiddlewaretoken]").value);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (body) {
        request.upload.addEventListener("progress", (event) => {
          const share = event.lengthComputable && event.total ? event.loaded / event.total : 0;
          progress(item, from + share * (body.size ?? item.file.size));
        });
      }
      request.addEventListener("loadend", () => {
        item.request = null;
        const elsewhere = request.responseURL && new URL(request.responseURL).pathname !== new URL(url, location).pathname;
        const status = Number(request.getResponseHeader("X-Upload-Status")) || request.status;
        resolve({ status: elsewhere ? 401 : status, text: request.responseText, request });
      });
      request.send(body);
    });
  }

  // The file is the body. What it is called stands in headers, and no longer there than the server keeps it.
  function sendWhole(item) {
    const coded = (text) => encodeURIComponent(new TextDecoder().decode(new TextEncoder().encode(text)));
    const headers = {
      "Content-Type": "application/octet-stream",
      "X-File-Path": coded(item.path.slice(-500)),
      "X-Client-Key": coded(item.key.slice(-300)),
    };
    return ask(item, "POST", places.url, headers, item.file);
  }

  // In parts, by the tus protocol. Its server knows how far a file has come, also after a reload of this page.
  async function sendParts(item) {
    const tus = { "Tus-Resumable": "1.0.0" };
    const coded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
    if (!item.address) {
      const about = `filename ${coded(item.path)},client_key ${coded(item.key)}`;
      const made = await ask(item, "POST", places.parts, { ...tus, "Upload-Length": item.file.size, "Upload-Metadata": about });
      if (made.status !== 201) return made;
      item.address = made.request.getResponseHeader("Location");
    }
    const found = await ask(item, "HEAD", item.address, tus);
    if (found.status === 404) item.address = "";
    if (found.status !== 200) return { ...found, status: found.status === 404 ? 503 : found.status };
    let offset = Number(found.request.getResponseHeader("Upload-Offset"));
    do {
      if (isPaused()) return { status: -1 };
      const piece = item.file.slice(offset, offset + PART);
      const headers = { ...tus, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" };
      const sent = await ask(item, "PATCH", item.address, headers, piece, offset);
      if (sent.status === 409 || sent.status === 423) return { ...sent, status: 503 }; // another tab: look again
      if ([413, 415, 422].includes(sent.status)) break; // the row says why
      if (sent.status !== 204) return sent;
      item.tries = 0;
      offset = Number(sent.request.getResponseHeader("Upload-Offset"));
      progress(item, offset);
    } while (offset < item.file.size && item.state === "sending");
    return ask(item, "GET", item.address);
  }

  return (item) => (item.file.size > PART_FROM ? sendParts(item) : sendWhole(item));
};
