([kit, maths, network], key, {networks, classes, clips, bodies, fps, ...body}) => {
  const models = networks.map(network);
  const samples = clips.map(clip => ({...clip, joints: maths.tensor(clip.joints)}));
  const joints = body.sides.length;

  kit.start(key, root => {
    const canvas = root.querySelector("canvas");
    const answer = root.querySelector(".answer");
    const rows = [...root.querySelectorAll("tbody tr")];
    const field = kit.field(root);
    const sliders = ["yaw", "pitch", "tempo"].map(field);
    const color = kit.color(root);
    let frame = 0, clip, points, reach, waiting = false;

    const paint = () => {
      const {pen, width, height} = kit.pen(canvas);
      const view = kit.view(
        body.axes, width / 2, height / 2, 0.46 * Math.min(width, height) / reach);
      const at = frame % clip.frames;
      const people = Array.from({length: bodies}, (_, person) =>
        body.sides.map((_, joint) => {
          const from = ((at * bodies + person) * joints + joint) * 3;
          const p = points.subarray(from, from + 3);
          return p.some(x => x) ? view(p) : null;
        }));
      kit.bodies(pen, color, people, body);
    };
    const classify = () => {
      waiting = false;
      const start = performance.now();
      const chosen = field("network").value;
      const x = maths.resized(points, clip.frames, clip.crop, networks[chosen].frames);
      const p = maths.softmax(models[chosen].logits(x).fused);
      const took = performance.now() - start;
      const best = p.indexOf(Math.max(...p));
      rows.forEach((row, i) => {
        row.className = i === clip.label ? "true" : "";
        row.querySelector("i").style.width = `${100 * p[i]}%`;
        row.lastChild.textContent = `${(100 * p[i]).toFixed(1)} %`;
      });
      answer.textContent = `Answer: ${classes[best]}, ${(100 * p[best]).toFixed(0)} %` +
        (best === clip.label ? ", which is the clip's label. "
          : `; the clip's label is ${classes[clip.label]}. `) +
        `The whole network took ${took.toFixed(0)} ms.`;
    };
    const change = () => {
      const [yaw, pitch, tempo] = sliders.map(each => +each.value);
      const units = [`${yaw}°`, `${pitch}°`, `× ${tempo}`];
      sliders.forEach((each, i) => {
        each.nextElementSibling.textContent = units[i].replace("-", "−");
      });
      clip = samples[field("clip").value];
      reach = kit.reach(clip.joints);
      points = maths.moved(clip.joints, clip.frames, {yaw, pitch, tempo});
      paint();
      if (!waiting) requestAnimationFrame(classify);
      waiting = true;
    };
    const turn = (yaw, pitch) => {
      const [a, b] = sliders;
      a.value = (+a.value + yaw + 540) % 360 - 180;
      b.value = +b.value + pitch;
      change();
    };
    for (const each of [...sliders, field("clip"), field("network")])
      each.addEventListener("input", change);
    field("reset").addEventListener("click", () => {
      sliders.forEach(each => { each.value = each.defaultValue; });
      change();
    });
    change();
    const film = kit.animate(root, fps, () => { frame = (frame + 1) % clip.frames; }, paint);
    let right = 0, up = 0;
    kit.drag(canvas, (x, y) => {
      right += x;
      up -= y;
      const [yaw, pitch] = [Math.trunc(right / 10) * 5, Math.trunc(up / 10) * 5];
      right -= 2 * yaw;
      up -= 2 * pitch;
      if (yaw || pitch) turn(yaw, pitch);
    });
    kit.keys(canvas, {
      ArrowLeft: () => turn(-5, 0), ArrowRight: () => turn(5, 0),
      ArrowUp: () => turn(0, 5), ArrowDown: () => turn(0, -5), " ": film.toggle,
    });
  });
}
