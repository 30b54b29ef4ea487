(key, {clips, frames, fps, view}) => {
  const MISSING = -32768;
  const decode = ({data, shape}) => {
    const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
    const words = new DataView(bytes.buffer);
    const [length, bodies, joints] = shape;
    return (t, body, joint) => {
      const at = 6 * ((Math.min(t, length - 1) * bodies + body) * joints + joint);
      const x = words.getInt16(at, true);
      return x === MISSING ? null
        : [x, words.getInt16(at + 2, true), words.getInt16(at + 4, true)];
    };
  };

  const start = root => {
    const canvases = [...root.querySelectorAll("canvas")];
    const button = root.querySelector("button");
    const slider = root.querySelector("input");
    const output = root.querySelector("output");
    const joints = clips.map(decode);
    let [azimuth, elevation] = view;
    let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    let frame = 0, visible = true, last = 0;

    const paint = (canvas, clip, at) => {
      const width = canvas.clientWidth, height = canvas.clientHeight;
      const ratio = devicePixelRatio || 1;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      pen.lineCap = "round";
      const color = name => getComputedStyle(root).getPropertyValue("--" + name);
      const {radius, floor, top} = clip;
      const a = clip.flat ? 0 : azimuth, e = clip.flat ? 0 : elevation;
      const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
      const rise = clip.flat ? 0 : 2 * radius * Math.sin(view[1]);
      const scale = 0.9 * Math.min(width / (2 * radius), height / (top - floor + rise));
      const place = ([x, y, z]) => {
        const level = ca * z + sa * x, up = y - (floor + top) / 2;
        return [width / 2 + scale * (ca * x - sa * z),
          height / 2 - scale * (ce * up - se * level), se * up + ce * level];
      };
      const line = (from, to, thickness, name) => {
        pen.strokeStyle = color(name);
        pen.lineWidth = thickness;
        pen.beginPath();
        pen.moveTo(from[0], from[1]);
        pen.lineTo(to[0], to[1]);
        pen.stroke();
      };
      const ground = (x, z) => place([x * radius, floor, z * radius]);
      for (const k of clip.flat ? [0] : [-0.8, -0.4, 0, 0.4, 0.8]) {
        const end = Math.sqrt(1 - k * k);
        line(ground(-end, k), ground(end, k), 1, "grid");
        if (!clip.flat) line(ground(k, -end), ground(k, end), 1, "grid");
      }
      if (!clip.flat) {
        const rim = Array.from({length: 49}, (_, i) => i * Math.PI / 24);
        rim.slice(1).forEach((to, i) => line(
          ground(Math.cos(rim[i]), Math.sin(rim[i])),
          ground(Math.cos(to), Math.sin(to)), 1, "grid"));
      }
      const shapes = [];
      for (let body = 0; body < clip.shape[1]; body++) {
        const points = clip.sides.map((_, joint) => {
          const point = at(frame, body, joint);
          return point && place(point);
        });
        clip.bones.forEach(([i, j, side]) => {
          if (points[i] && points[j])
            shapes.push([(points[i][2] + points[j][2]) / 2,
              () => line(points[i], points[j], 4, side)]);
        });
        points.forEach((point, joint) => point && shapes.push([point[2] + 1, () => {
          pen.beginPath();
          pen.arc(point[0], point[1], 3.2, 0, 7);
          pen.fillStyle = color(body ? "card" : clip.sides[joint]);
          pen.fill();
          pen.strokeStyle = color(clip.sides[joint]);
          pen.lineWidth = 1.5;
          pen.stroke();
        }]));
      }
      shapes.sort((p, q) => p[0] - q[0]).forEach(([, shape]) => shape());
    };
    const draw = () => {
      canvases.forEach((canvas, i) => paint(canvas, clips[i], joints[i]));
      slider.value = frame;
      output.textContent = `${frame + 1} / ${frames}`;
      button.textContent = playing ? "Pause" : "Play";
    };
    const tick = now => {
      if (!root.isConnected || !playing || !visible) return;
      if (now - last >= 1000 / fps) {
        frame = (frame + 1) % frames;
        last = now;
        draw();
      }
      requestAnimationFrame(tick);
    };
    const play = on => {
      playing = on;
      draw();
      requestAnimationFrame(tick);
    };
    const turn = (right, up) => {
      azimuth += right;
      elevation = Math.max(-0.2, Math.min(1.5, elevation + up));
      draw();
    };

    button.addEventListener("click", () => play(!playing));
    slider.addEventListener("input", () => {
      frame = +slider.value;
      play(false);
    });
    for (const canvas of canvases) {
      canvas.addEventListener("pointerdown", event =>
        canvas.setPointerCapture(event.pointerId));
      canvas.addEventListener("pointermove", event => {
        if (canvas.hasPointerCapture(event.pointerId))
          turn(-event.movementX / 120,
            event.pointerType === "touch" ? 0 : event.movementY / 120);
      });
      canvas.addEventListener("keydown", event => {
        const by = {ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0],
          ArrowUp: [0, -0.1], ArrowDown: [0, 0.1]}[event.key];
        if (by) turn(...by);
        else if (event.key === " ") play(!playing);
        else return;
        event.preventDefault();
      });
    }
    new ResizeObserver(draw).observe(root);
    new IntersectionObserver(([entry]) => {
      const shown = entry.isIntersecting;
      if (shown && !visible) requestAnimationFrame(tick);
      visible = shown;
    }).observe(root);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, {attributes: true});
    theme.observe(document.body, {attributes: true});
    play(playing);
  };

  for (const root of document.querySelectorAll(`[data-skeleton-player="${key}"]`)) {
    if (root.dataset.started) continue;
    root.dataset.started = "yes";
    start(root);
  }
}
