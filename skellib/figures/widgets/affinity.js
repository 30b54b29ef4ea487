([kit, maths, network], key, {plan, stream, clips, partners, joints, ...body}) => {
  const model = network(plan);
  const inputs = clips.map(maths.tensor);
  const described = plan.streams[stream];
  const [T, N, J] = [plan.frames, described.joints, plan.joints];
  const mixing = maths.tensor(described.skeleton);

  kit.start(key, root => {
    const [map, chosen, other] = root.querySelectorAll("canvas");
    const answer = root.querySelector(".answer");
    const field = name => root.querySelector(`[name=${name}]`);
    const color = kit.color(root);
    let at = Math.floor(T / 2) * N + Math.floor(N / 2);
    let x, axes, fieldOf, weights, best;

    const paintMap = () => {
      const {pen, width, height} = kit.pen(map);
      const [w, h] = [width / T, height / N], most = Math.max(...weights) || 1;
      const [from, to] = [color("card"), color("left")];
      weights.forEach((value, i) => {
        pen.fillStyle = kit.mix(from, to, value / most);
        pen.fillRect(Math.floor(i / N) * w, i % N * h, w + 0.5, h + 0.5);
      });
      const ring = (i, name, dash) => {
        pen.strokeStyle = color(name);
        pen.lineWidth = 2.5;
        pen.setLineDash(dash);
        pen.strokeRect(Math.floor(i / N) * w + 1, i % N * h + 1, w - 2, h - 2);
        pen.setLineDash([]);
      };
      ring(best, "ink", [3, 3]);
      ring(at, "right", []);
    };
    /* The skeleton of a frame; a joint is as large as its share in the new joint. */
    const paintBody = (canvas, i) => {
      const {pen, width, height} = kit.pen(canvas);
      const [t, n] = [Math.floor(i / N), i % N];
      const reach = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const scale = 0.46 * Math.min(width, height) / reach;
      const points = body.sides.map((_, joint) => {
        const p = [0, 1, 2].map(c => x[(c * T + t) * J + joint]);
        const [right, up, near] = body.axes.map(axis =>
          axis.reduce((sum, a, c) => sum + a * p[c], 0));
        return [width / 2 + scale * right, height / 2 - scale * up, scale * near];
      });
      kit.bodies(pen, color, [points], body, 2);
      const row = mixing.subarray(n * J, (n + 1) * J);
      const most = row.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      points.forEach(([px, py], joint) => {
        pen.beginPath();
        pen.arc(px, py, 12 * Math.sqrt(Math.abs(row[joint]) / most), 0, 7);
        pen.strokeStyle = color(row[joint] > 0 ? "left" : "right");
        pen.lineWidth = 2;
        pen.setLineDash(row[joint] > 0 ? [] : [3, 2]);
        pen.stroke();
        pen.setLineDash([]);
      });
    };
    const draw = () => {
      paintMap();
      paintBody(chosen, at);
      paintBody(other, best);
    };
    const describe = i => `frame ${Math.floor(i / N) + 1}, new joint ${i % N + 1}`;
    const mixed = n => [...mixing.subarray(n * J, (n + 1) * J)]
      .map((w, j) => [Math.abs(w), joints[j % joints.length]])
      .sort((a, b) => b[0] - a[0]).slice(0, 2).map(each => each[1]).join(" and ");
    const look = () => {
      weights = fieldOf(at);
      best = weights.indexOf(Math.max(...weights));
      const entropy = weights.reduce((sum, w) => w > 0 ? sum - w * Math.log(w) : sum, 0);
      answer.textContent = `Chosen: ${describe(at)}, which takes most from ` +
        `${mixed(at % N)}. It attends most to ${describe(best)} ` +
        `(${(100 * weights[best]).toFixed(1)} %), and effectively to ` +
        `${Math.exp(entropy).toFixed(0)} of ${weights.filter(w => w > 0).length} positions.`;
      draw();
    };
    const change = () => {
      x = inputs[field("clip").value];
      axes = partners[field("partner").value];
      fieldOf = model.field(x, stream)(axes);
      look();
    };
    const pick = (t, n) => {
      at = Math.max(0, Math.min(T - 1, t)) * N + Math.max(0, Math.min(N - 1, n));
      look();
    };
    const click = event => {
      const box = map.getBoundingClientRect();
      pick(Math.floor((event.clientX - box.left) / box.width * T),
        Math.floor((event.clientY - box.top) / box.height * N));
    };
    map.addEventListener("pointerdown", click);
    map.addEventListener("pointermove", event => { if (event.buttons) click(event); });
    const step = (t, n) => () => pick(Math.floor(at / N) + t, at % N + n);
    kit.keys(map, {
      ArrowLeft: step(-1, 0), ArrowRight: step(1, 0),
      ArrowUp: step(0, -1), ArrowDown: step(0, 1),
    });
    for (const name of ["clip", "partner"]) field(name).addEventListener("input", change);
    change();
    kit.watch(root, draw);
  });
}
