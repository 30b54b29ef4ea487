([kit, maths], key, {clip, frames: T, joints: N, fps, ...body}) => {
  const size = T * N, half = Math.floor(T / 2), top = Math.floor(N / 2);
  const points = maths.tensor(clip);
  const zero = new Float64Array(size);
  const spectra = [0, 1, 2].map(c =>
    maths.dft2(points.subarray(c * size, (c + 1) * size), zero, T, N, -1));
  const power = zero.map((_, i) =>
    spectra.reduce((sum, [re, im]) => sum + re[i] ** 2 + im[i] ** 2, 0));
  /* Energy by temporal frequency 0 ... T/2, both signs of u together. */
  const energy = Array.from({length: half + 1}, (_, u) => {
    let sum = 0;
    for (let v = 0; v < N; v++)
      sum += power[u * N + v] + (u && 2 * u !== T ? power[(T - u) * N + v] : 0);
    return sum;
  });

  kit.start(key, root => {
    const [film, map] = root.querySelectorAll("canvas");
    const answer = root.querySelector(".answer");
    const field = kit.field(root), cutoff = field("cutoff");
    const color = kit.color(root);
    const mask = new Float64Array(size).fill(1);
    let filtered = [], frame = 0, cursor = [1, 0], last = null;

    /* The index of temporal frequency u = 0 ... T/2 and joint frequency v, of any sign. */
    const index = (u, v) => u * N + (v + N) % N;
    const set = (u, v, value) => {
      const i = index(u, v);
      mask[i] = mask[maths.mirror(i, T, N)] = value;
    };
    const column = (u, value) => {
      for (let v = 0; v < N; v++) set(u, v, value);
    };
    const paintFilm = () => {
      const {pen, width, height} = kit.pen(film);
      const scale = 0.46 * Math.min(width, height) / kit.reach(points);
      const view = kit.view(body.axes, width / 2, height / 2, scale);
      const place = parts => body.sides.map((_, joint) =>
        view(parts.map(part => part[frame * N + joint])));
      const original = [0, 1, 2].map(c => points.subarray(c * size, (c + 1) * size));
      kit.bodies(pen, () => color("grid"), [place(original)], body);
      kit.bodies(pen, color, [place(filtered)], body);
    };
    const paintMap = () => {
      const {pen, width, height} = kit.pen(map);
      const bars = 0.3 * height, w = width / (half + 1), h = (height - bars - 8) / N;
      /* The mean pose, u = 0, is far larger than what moves, and would hide it. */
      const log = power.map(x => Math.log1p(Math.sqrt(x)));
      const most = Math.max(...log.subarray(N)), high = Math.max(...energy.slice(1));
      const [from, to] = [color("card"), color("left")];
      for (let u = 0; u <= half; u++) {
        const kept = Array.from({length: N}, (_, v) => mask[index(u, v)]);
        const share = kept.reduce((a, b) => a + b) / N;
        const tall = (bars - 4) * Math.min(1, Math.sqrt(energy[u] / high));
        pen.fillStyle = kit.mix(color("grid"), color("right"), share);
        pen.fillRect(u * w + 1, bars - tall, Math.max(1, w - 2), Math.max(1, tall));
        for (let r = 0; r < N; r++) {
          const i = index(u, top - r), y = bars + 8 + r * h;
          pen.fillStyle = mask[i] ? kit.mix(from, to, Math.min(1, log[i] / most)) : color("card");
          pen.fillRect(u * w, y, w + 0.5, h + 0.5);
          if (!mask[i])
            kit.line(pen, [[u * w + 2, y + h - 2], [u * w + w - 2, y + 2]], 1, color("grid"));
        }
      }
      if (document.activeElement === map) {
        const [u, v] = cursor;
        pen.strokeStyle = color("right");
        pen.lineWidth = 2;
        pen.strokeRect(u * w, bars + 8 + (top - v) * h, w, h);
      }
    };
    const draw = () => {
      paintFilm();
      paintMap();
    };
    const change = () => {
      filtered = spectra.map(spectrum => maths.masked(spectrum, mask, mask, T, N));
      let kept = 0, all = 0;
      power.forEach((x, i) => {
        if (i < N) return;
        all += x;
        kept += mask[i] * x;
      });
      const count = mask.reduce((a, b) => a + b);
      cutoff.nextElementSibling.textContent = `${cutoff.value} cycles`;
      answer.textContent = `Kept: ${count} of ${size} frequencies, and with them ` +
        `${(100 * kept / all).toFixed(1)} % of the energy of the movement (u > 0).`;
      draw();
    };
    const lowest = u => {
      for (let each = 0; each <= half; each++) column(each, each <= u ? 1 : 0);
    };
    const cell = event => {
      const box = map.getBoundingClientRect(), bars = 0.3 * box.height;
      const u = Math.floor((event.clientX - box.left) / box.width * (half + 1));
      const y = event.clientY - box.top;
      const row = Math.floor((y - bars - 8) / (box.height - bars - 8) * N);
      const v = top - Math.min(N - 1, Math.max(0, row));
      return [Math.max(0, Math.min(half, u)), y < bars ? null : v];
    };
    const paint = ([u, v], value) => v === null ? column(u, value) : set(u, v, value);
    map.addEventListener("pointerdown", event => {
      map.setPointerCapture(event.pointerId);
      const at = cell(event), i = index(at[0], at[1] ?? 0);
      last = 1 - mask[i];
      paint(at, last);
      change();
    });
    map.addEventListener("pointermove", event => {
      if (!map.hasPointerCapture(event.pointerId)) return;
      paint(cell(event), last);
      change();
    });
    const move = (u, v) => () => {
      cursor = [Math.max(0, Math.min(half, cursor[0] + u)),
        Math.max(top - N + 1, Math.min(top, cursor[1] + v))];
      draw();
    };
    const flip = whole => () => {
      const [u, v] = cursor;
      paint([u, whole ? null : v], 1 - mask[index(u, v)]);
      change();
    };
    kit.keys(map, {
      ArrowLeft: move(-1, 0), ArrowRight: move(1, 0), ArrowUp: move(0, 1),
      ArrowDown: move(0, -1), " ": flip(false), Enter: flip(true),
    });
    for (const each of ["focus", "blur"]) map.addEventListener(each, draw);
    cutoff.addEventListener("input", () => {
      lowest(+cutoff.value);
      change();
    });
    field("all").addEventListener("click", () => {
      cutoff.value = half;
      mask.fill(1);
      change();
    });
    field("swap").addEventListener("click", () => {
      mask.forEach((value, i) => { mask[i] = 1 - value; });
      change();
    });
    change();
    kit.animate(root, fps, () => { frame = (frame + 1) % T; }, paintFilm);
    kit.watch(root, draw);
  });
}
