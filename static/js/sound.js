// A short tone when a batch is done, for those who asked for it in their profile. It is made here: no file is loaded.
"use strict";

(() => {
  const NOTES = [659.3, 880]; // Hz: a fourth upwards
  const LENGTH = 0.22; // seconds of each
  const LOUD = 0.12;
  let audio = null;

  function play() {
    // Before somebody has clicked or typed on the page a browser refuses, and complains.
    if (!window.AudioContext || navigator.userActivation?.hasBeenActive === false) return;
    audio ??= new AudioContext();
    audio.resume();
    NOTES.forEach((pitch, place) => {
      const from = audio.currentTime + 0.02 + place * LENGTH * 0.6;
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0, from); // no click at its beginning or end
      volume.gain.linearRampToValueAtTime(LOUD, from + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, from + LENGTH);
      tone.connect(volume).connect(audio.destination);
      tone.start(from);
      tone.stop(from + LENGTH);
    });
    document.dispatchEvent(new CustomEvent("sound:played"));
  }

  document.addEventListener("live:progress", (event) => {
    if (event.detail.changed && event.detail.phase.startsWith("over-")) play();
  });
  for (const button of document.querySelectorAll("[data-sound-try]")) {
    button.hidden = false;
    button.addEventListener("click", play);
  }
})();
