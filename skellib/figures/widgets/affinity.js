([kit, maths, network], key, {plan, stream, clips, partners, joints, ...body}) => {
  const model = network(plan);
  const inputs = clips.map(maths.tensor);
  const described = plan.streams[stream];
  const [T, N, J] = [plan.frames, described.joints, plan.joints];
  const mixing = maths.tensor(described.skeleton);

  kit.start(key, root => {
    const [map, chosen, other] = root.querySelectorAll("canvas");
    const answer = root.querySelector(".answer");
    const field = kit.field(root);
    const color = kit.color(root);
    let at = Math.floor(T / 2) * N + Math.floor(N / 2);
    let x, fieldOf, weights, best, least, most;

    const paintMap = () => {
      const {pen, width, height} = kit.pen(map);
      const [w, h] = [width / T, height / N], [from, to] = [color("card"), color("left")];
      weights.forEach((value, i) => {
        pen.fillStyle = value ? kit.mix(from, to, (value - least) / (most - least || 1))
          : color("grid");
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
      const scale = 0.46 * Math.min(width, height) / kit.reach(x);
      const view = kit.view(body.axes, width / 2, height / 2, scale);
      const points = body.sides.map((_, joint) =>
        view([0, 1, 2].map(c => x[(c * T + t) * J + joint])));
      kit.bodies(pen, color, [points], body, 2);
      const row = mixing.subarray(n * J, (n + 1) * J);
      const largest = kit.reach(row);
      points.forEach(([px, py], joint) => {
        pen.beginPath();
        pen.arc(px, py, 12 * Math.sqrt(Math.abs(row[joint]) / largest), 0, 7);
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
      const positive = weights.filter(w => w > 0);
      [least, most] = [Math.min(...positive), Math.max(...positive)];
      best = weights.indexOf(most);
      const entropy = positive.reduce((sum, w) => sum - w * Math.log(w), 0);
      const percent = w => `${(100 * w).toFixed(2)} %`;
      answer.textContent = `Chosen: ${describe(at)}, which takes most from ` +
        `${mixed(at % N)}. It attends most to ${describe(best)}. ` +
        `The weights go from ${percent(least)} to ${percent(most)}, where the colour is ` +
        `strongest; effectively it attends to ${Math.exp(entropy).toFixed(0)} of ` +
        `${positive.length} positions.`;
      draw();
    };
    const change = () => {
      x = inputs[field("clip").value];
      fieldOf = model.field(x, stream)(partners[field("partner").value]);
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
