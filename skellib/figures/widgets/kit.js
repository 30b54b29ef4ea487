(() => {
  const kit = {
    /* Run a widget's script once on each of its elements. */
    start(key, run) {
      for (const root of document.querySelectorAll(`[data-widget="${key}"]`)) {
        if (root.dataset.started) continue;
        root.dataset.started = "yes";
        run(root);
      }
    },
    field: root => name => root.querySelector(`[name=${name}]`),
    color: root => name => getComputedStyle(root).getPropertyValue("--" + name).trim(),
    /* Mix two colours #rrggbb: 0 gives the first, 1 the second. */
    mix(from, to, k) {
      const part = (color, i) => parseInt(color.slice(i, i + 2), 16);
      return "rgb(" + [1, 3, 5].map(i =>
        Math.round(part(from, i) * (1 - k) + part(to, i) * k)) + ")";
    },
    /* Clear a canvas, at the resolution of the screen. */
    pen(canvas) {
      const width = canvas.clientWidth, height = canvas.clientHeight;
      const ratio = devicePixelRatio || 1;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      pen.lineCap = pen.lineJoin = "round";
      return {pen, width, height};
    },
    reach: values => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0),
    /* Project points of a clip on a screen: in pixels, and towards the viewer. */
    view: (axes, left, top, scale) => point => {
      const [x, y, z] = axes.map(axis => axis.reduce((sum, a, i) => sum + a * point[i], 0));
      return [left + scale * x, top - scale * y, scale * z];
    },
    line(pen, points, thickness, color, dash = []) {
      pen.strokeStyle = color;
      pen.lineWidth = thickness;
      pen.setLineDash(dash);
      pen.beginPath();
      points.forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y));
      pen.stroke();
      pen.setLineDash([]);
    },
    /* Draw bodies, what is far first. A body is a list of points [x, y, to the viewer],
       null for a joint that is missing; the joints of bodies after the first are hollow. */
    bodies(pen, color, bodies, {bones, sides}, thickness = 4) {
      const shapes = [];
      bodies.forEach((points, body) => {
        for (const [i, j, side] of bones) {
          if (points[i] && points[j])
            shapes.push([(points[i][2] + points[j][2]) / 2,
              () => kit.line(pen, [points[i], points[j]], thickness, color(side))]);
        }
        points.forEach((point, joint) => point && shapes.push([point[2] + 1, () => {
          pen.beginPath();
          pen.arc(point[0], point[1], 0.8 * thickness, 0, 7);
          pen.fillStyle = color(body ? "card" : sides[joint]);
          pen.fill();
          pen.strokeStyle = color(sides[joint]);
          pen.lineWidth = 1.5;
          pen.stroke();
        }]));
      });
      shapes.sort((p, q) => p[0] - q[0]).forEach(([, shape]) => shape());
    },
    /* Draw again when the size or the theme changes. */
    watch(root, draw) {
      new ResizeObserver(draw).observe(root);
      const theme = new MutationObserver(draw);
      theme.observe(document.documentElement, {attributes: true});
      theme.observe(document.body, {attributes: true});
    },
    /* Call step and draw at a rate, while the widget is visible and the button, if there
       is one, says so; start paused if the reader prefers reduced motion. */
    animate(root, fps, step, draw) {
      const button = root.querySelector("button[name=play]");
      let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
      let visible = true, last = 0, waiting = false;
      const ask = () => {
        if (waiting || !root.isConnected || !playing || !visible) return;
        waiting = true;
        requestAnimationFrame(tick);
      };
      const tick = now => {
        waiting = false;
        if (now - last >= 1000 / fps) {
          last = now;
          step();
          draw();
        }
        ask();
      };
      const play = on => {
        playing = on;
        if (button) button.textContent = playing ? "Pause" : "Play";
        draw();
        ask();
      };
      const toggle = () => play(!playing);
      if (button) button.addEventListener("click", toggle);
      new IntersectionObserver(([entry]) => {
        visible = entry.isIntersecting;
        ask();
      }).observe(root);
      kit.watch(root, draw);
      play(playing);
      return {play, toggle};
    },
    drag(canvas, move) {
      canvas.addEventListener("pointerdown", event =>
        canvas.setPointerCapture(event.pointerId));
      canvas.addEventListener("pointermove", event => {
        if (canvas.hasPointerCapture(event.pointerId))
          move(event.movementX, event.pointerType === "touch" ? 0 : event.movementY);
      });
    },
    keys(element, actions) {
      element.addEventListener("keydown", event => {
        if (!actions[event.key]) return;
        actions[event.key]();
        event.preventDefault();
      });
    },
  };
  return kit;
})()
