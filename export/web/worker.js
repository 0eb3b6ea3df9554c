// What runs in a worker: the network, which draws one image for each message.

/** Answers the page's messages; `kit` has the functions of network.js. */
function serveDrawings(kit) {
  let network;

  self.onmessage = ({ data }) => {
    const start = performance.now();
    try {
      if (data.text !== undefined) {
        network = kit.openNetwork(data.text, data.manifest);
        self.postMessage({ opened: true });
        return;
      }
      const pixels = kit.drawPixels(network, data.z, data.y);
      self.postMessage({ pixels, milliseconds: performance.now() - start }, [pixels.buffer]);
    } catch (error) {
      self.postMessage({ failed: error.message });
    }
  };
}
