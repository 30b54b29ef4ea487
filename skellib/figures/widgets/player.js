([kit], key, {clips, frames, fps, view}) => {
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

  kit.start(key, root => {
    const canvases = [...root.querySelectorAll("canvas")];
    const slider = root.querySelector("input");
    const output = root.querySelector("output");
    const joints = clips.map(decode);
    const color = kit.color(root);
    let [azimuth, elevation] = view;
    let frame = 0;

    const paint = (canvas, clip, at) => {
      const {pen, width, height} = kit.pen(canvas);
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
      const ground = (x, z) => place([x * radius, floor, z * radius]);
      const grid = (...points) => kit.line(pen, points, 1, color("grid"));
      for (const k of clip.flat ? [0] : [-0.8, -0.4, 0, 0.4, 0.8]) {
        const end = Math.sqrt(1 - k * k);
        grid(ground(-end, k), ground(end, k));
        if (!clip.flat) grid(ground(k, -end), ground(k, end));
      }
      if (!clip.flat) {
        const rim = Array.from({length: 49}, (_, i) => i * Math.PI / 24);
        grid(...rim.map(angle => ground(Math.cos(angle), Math.sin(angle))));
      }
      const bodies = Array.from({length: clip.shape[1]}, (_, body) =>
        clip.sides.map((_, joint) => {
          const point = at(frame, body, joint);
          return point && place(point);
        }));
      kit.bodies(pen, color, bodies, clip);
    };
    const draw = () => {
      canvases.forEach((canvas, i) => paint(canvas, clips[i], joints[i]));
      slider.value = frame;
      output.textContent = `${frame + 1} / ${frames}`;
    };
    const film = kit.animate(root, fps, () => { frame = (frame + 1) % frames; }, draw);
    const turn = (right, up) => {
      azimuth += right;
      elevation = Math.max(-0.2, Math.min(1.5, elevation + up));
      draw();
    };

    slider.addEventListener("input", () => {
      frame = +slider.value;
      film.play(false);
    });
    for (const canvas of canvases) {
      kit.drag(canvas, (x, y) => turn(-x / 120, y / 120));
      kit.keys(canvas, {
        ArrowLeft: () => turn(0.1, 0), ArrowRight: () => turn(-0.1, 0),
        ArrowUp: () => turn(0, -0.1), ArrowDown: () => turn(0, 0.1),
        " ": film.toggle,
      });
    }
  });
}
