([kit, maths], key, {counts, classes, fps, clips, ...body}) => {
  const K = classes.length;
  const total = (i, j) => counts.reduce((sum, run) => sum + run[i][j], 0);

  kit.start(key, root => {
    const canvas = root.querySelector("canvas");
    const answer = root.querySelector(".answer");
    const cells = [...root.querySelectorAll("td button")];
    const color = kit.color(root);
    let at = 0, frame = 0, films = [];

    const paintFilm = () => {
      if (!canvas) return;
      const {pen, width, height} = kit.pen(canvas);
      const wide = width / Math.max(1, films.length);
      films.forEach(({points, frames, reach}, film) => {
        const N = body.sides.length, from = frame % frames * N * 3;
        const view = kit.view(body.axes, wide * (film + 0.5), height / 2,
          0.48 * Math.min(wide, height) / reach);
        kit.bodies(pen, color, [body.sides.map((_, joint) =>
          view(points.subarray(from + 3 * joint, from + 3 * joint + 3)))], body);
      });
    };
    const shade = () => {
      cells.forEach((cell, k) => {
        const [i, j] = [Math.floor(k / K), k % K];
        const of = classes.reduce((sum, _, c) => sum + total(i, c), 0) || 1;
        /* At most half of the colour, so that the text keeps its contrast. */
        cell.style.background = kit.mix(
          color("card"), color(i === j ? "left" : "right"), 0.5 * total(i, j) / of);
        cell.tabIndex = k === at ? 0 : -1;
        cell.ariaPressed = k === at;
      });
    };
    const choose = (k, focus) => {
      at = k;
      const [i, j] = [Math.floor(k / K), k % K], number = total(i, j);
      const of = classes.reduce((sum, _, c) => sum + total(i, c), 0);
      const runs = counts.length > 1
        ? `; by run: ${counts.map(run => run[i][j]).join(", ")}` : "";
      films = (clips[`${i} ${j}`] || []).map(({joints, frames}) => {
        const points = maths.tensor(joints);
        return {points, frames, reach: kit.reach(points)};
      });
      const seen = !canvas || !number ? "" : films.length < number
        ? ` Shown: ${films.length}.` : " All are shown.";
      answer.textContent = `${number} of ${of} clips of ${classes[i]} ` +
        (i === j ? "are recognised" : `are taken for ${classes[j]}`) + `${runs}.${seen}`;
      shade();
      if (focus) cells[k].focus();
      paintFilm();
    };
    cells.forEach((cell, k) => {
      cell.addEventListener("click", () => choose(k, true));
      const move = by => () => {
        const [i, j] = [Math.floor(k / K) + by[0], k % K + by[1]];
        if (i >= 0 && i < K && j >= 0 && j < K) choose(i * K + j, true);
      };
      kit.keys(cell, {
        ArrowLeft: move([0, -1]), ArrowRight: move([0, 1]),
        ArrowUp: move([-1, 0]), ArrowDown: move([1, 0]),
      });
    });
    /* Start at the most frequent confusion. */
    const wrong = cells.map((_, k) => Math.floor(k / K) === k % K ? -1
      : total(Math.floor(k / K), k % K));
    choose(wrong.indexOf(Math.max(...wrong)), false);
    kit.watch(root, shade);
    if (canvas) kit.animate(root, fps, () => { frame++; }, paintFilm);
  });
}
