([kit, maths], key, {names}) => {
  const styles = {
    CE: ["middle", []], FL: ["left", [8, 4]], SMCE: ["position", [8, 3, 2, 3]],
    SMFL: ["right", []], SM: ["velocity", [2, 4]],
  };
  kit.start(key, root => {
    const [chart, ...keys] = root.querySelectorAll("canvas");
    const caption = root.querySelector("caption");
    const rows = [...root.querySelectorAll("tbody tr")];
    const field = kit.field(root);
    const sliders = ["gamma", "margin", "p"].map(field);
    const color = kit.color(root);
    const value = (p, name) => {
      const of = +field("shown").value ? maths.gradients : maths.losses;
      return of(p, +field("gamma").value, +field("margin").value)[name];
    };
    const draw = () => {
      const {pen, width, height} = kit.pen(chart);
      const limit = +field("shown").value ? 2 : 5, left = 24, bottom = 20;
      const at = (p, y) => [left + p * (width - left - 6),
        (height - bottom) * (1 - Math.min(y, limit + 1) / limit)];
      pen.font = "12px system-ui, sans-serif";
      pen.fillStyle = color("ink");
      for (let k = 0; k <= 5; k++) {
        const y = limit * k / 5;
        kit.line(pen, [at(0, y), at(1, y)], 1, color("grid"));
        pen.textAlign = "right";
        pen.fillText(`${y}`, left - 4, Math.max(10, at(0, y)[1] + 4));
        pen.textAlign = k ? k < 5 ? "center" : "right" : "left";
        pen.fillText(`${k / 5}`, at(k / 5, 0)[0], height - 4);
      }
      pen.save();
      pen.beginPath();
      pen.rect(left, 0, width, height - bottom + 2);
      pen.clip();
      for (const name of names) {
        const points = Array.from({length: 200}, (_, i) => (i + 0.5) / 200)
          .map(p => at(p, value(p, name)));
        kit.line(pen, points, name === "SMFL" ? 3 : 2, color(styles[name][0]), styles[name][1]);
      }
      const p = +field("p").value;
      kit.line(pen, [at(p, 0), at(p, limit)], 1, color("ink"), [2, 2]);
      pen.restore();
      keys.forEach((canvas, i) => {
        const small = kit.pen(canvas), [name, dash] = styles[names[i]];
        kit.line(small.pen, [[0, 7], [small.width, 7]], 2.5, color(name), dash);
      });
    };
    const change = () => {
      const p = +field("p").value;
      sliders.forEach(each => {
        each.nextElementSibling.textContent = (+each.value).toFixed(each.name === "p" ? 2 : 1);
      });
      const what = +field("shown").value ? "Size of the gradient" : "Loss";
      caption.textContent = `${what} at p = ${p.toFixed(2)}`;
      rows.forEach((row, i) => {
        row.lastChild.textContent = value(p, names[i]).toFixed(3);
      });
      draw();
    };
    const move = p => {
      field("p").value = p;
      change();
    };
    const click = event => {
      const box = chart.getBoundingClientRect();
      move((event.clientX - box.left - 24) / (box.width - 30));
    };
    chart.addEventListener("pointerdown", click);
    chart.addEventListener("pointermove", event => { if (event.buttons) click(event); });
    const step = by => () => move(+field("p").value + by);
    kit.keys(chart, {ArrowLeft: step(-0.01), ArrowRight: step(0.01)});
    for (const each of [...sliders, field("shown")]) each.addEventListener("input", change);
    change();
    kit.watch(root, draw);
  });
}
