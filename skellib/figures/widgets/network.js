/* The network of skellib.models at inference, one clip at a time. Features are flat arrays
   (C, T, N); the parts are named as in the Python modules. */
packed => {
  const plan = maths.tensors(packed);

  /* Add weights[first ...] times the rows of x, each of one size, to y from `to` on. Four
     rows at a time: that is where the time goes. */
  const combine = (y, to, weights, first, x, rows, size) => {
    let c = 0;
    for (; c + 4 <= rows; c += 4) {
      const p = weights[first + c], q = weights[first + c + 1];
      const r = weights[first + c + 2], s = weights[first + c + 3];
      for (let i = 0, at = c * size; i < size; i++, at++)
        y[to + i] += p * x[at] + q * x[at + size] + r * x[at + 2 * size] + s * x[at + 3 * size];
    }
    for (; c < rows; c++)
      for (let i = 0; i < size; i++) y[to + i] += weights[first + c] * x[c * size + i];
  };
  /* The products of the rows of x with a vector; four sums at a time. */
  const products = (x, vector, rows, size) => {
    const result = new Float64Array(rows);
    let row = 0;
    for (; row + 4 <= rows; row += 4) {
      let p = 0, q = 0, r = 0, s = 0;
      for (let i = 0, at = row * size; i < size; i++, at++) {
        const v = vector[i];
        p += v * x[at];
        q += v * x[at + size];
        r += v * x[at + 2 * size];
        s += v * x[at + 3 * size];
      }
      result.set([p, q, r, s], row);
    }
    for (; row < rows; row++)
      for (let i = 0; i < size; i++) result[row] += vector[i] * x[row * size + i];
    return result;
  };
  /* A 1 x 1 convolution, or the coordinate transform: weight (rows, C). */
  const pointwise = (x, weight, rows) => {
    const C = weight.length / rows, size = x.length / C;
    const y = new Float64Array(rows * size);
    for (let row = 0; row < rows; row++) combine(y, row * size, weight, row * C, x, C, size);
    return y;
  };
  /* S' = W_s S: weight (new joints, N) along the last axis. */
  const skeleton = (x, weight, N) => {
    const rows = weight.length / N, lines = x.length / N;
    const y = new Float64Array(lines * rows);
    for (let line = 0; line < lines; line++)
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let n = 0; n < N; n++) sum += weight[row * N + n] * x[line * N + n];
        y[line * rows + row] = sum;
      }
    return y;
  };
  /* With zeros around: each tap is a shifted copy of x, and then it is pointwise. */
  const convolution = (x, weight, [kt, ks], rows, T, N) => {
    const size = T * N, C = x.length / size, taps = kt * ks;
    const shifted = new Float64Array(C * taps * size);
    for (let c = 0; c < C; c++)
      for (let tap = 0; tap < taps; tap++) {
        const dt = Math.floor(tap / ks) - (kt >> 1), dn = tap % ks - (ks >> 1);
        const low = Math.max(0, -dn), high = Math.min(N, N - dn);
        for (let t = Math.max(0, -dt); t < Math.min(T, T - dt); t++) {
          const from = c * size + (t + dt) * N + dn;
          const to = (c * taps + tap) * size + t * N;
          for (let n = low; n < high; n++) shifted[to + n] = x[from + n];
        }
      }
    return pointwise(shifted, weight, rows);
  };
  const add = (x, y) => x.map((value, i) => value + y[i]);
  const linear = (x, {weight, bias}) =>
    add(products(weight, x, bias.length, x.length), bias);
  const affine = (x, {scale, shift}) => {
    const size = x.length / scale.length;
    return x.map((value, i) => {
      const c = Math.floor(i / size);
      return value * scale[c] + shift[c];
    });
  };

  /* The groups of positions that attend to each other: [first, step, count]. */
  const groups = (axes, T, N) => axes === "st" ? [[0, 1, T * N]]
    : axes === "s" ? Array.from({length: T}, (_, t) => [t * N, 1, N])
    : Array.from({length: N}, (_, n) => [n, N, T]);
  /* The features (C, count) of a group's positions. */
  const gather = (x, size, [first, step, count]) => {
    const C = x.length / size, part = new Float64Array(C * count);
    for (let c = 0; c < C; c++)
      for (let k = 0; k < count; k++) part[c * count + k] = x[c * size + first + k * step];
    return part;
  };
  const embeddings = (x, {phi, psi}, size) => {
    const L = phi.length * size / x.length;
    return {phi: pointwise(x, phi, L), psi: pointwise(x, psi, L)};
  };
  /* Eq. 6 and 8: how much member m of a group attends to each member. */
  const affinities = (phi, psi, m, count) => {
    const L = phi.length / count, weights = new Float64Array(count);
    const query = Float64Array.from({length: L}, (_, l) => phi[l * count + m]);
    combine(weights, 0, query, 0, psi, L, count);
    let most = -Infinity, sum = 0;
    for (let k = 0; k < count; k++) if (weights[k] > most) most = weights[k];
    for (let k = 0; k < count; k++) sum += weights[k] = Math.exp(weights[k] - most);
    for (let k = 0; k < count; k++) weights[k] /= sum;
    return weights;
  };
  const nonLocal = (x, partner, axes, Q, T, N) => {
    const size = T * N, embedded = embeddings(x, partner, size);
    const values = pointwise(x, partner.g, Q), y = new Float64Array(Q * size);
    for (const group of groups(axes, T, N)) {
      const [phi, psi, g] = [embedded.phi, embedded.psi, values]
        .map(part => gather(part, size, group));
      const [first, step, count] = group;
      for (let m = 0; m < count; m++) {
        const weights = affinities(phi, psi, m, count);
        const sums = products(g, weights, Q, count);
        for (let q = 0; q < Q; q++) y[q * size + first + m * step] = sums[q];
      }
    }
    return pointwise(y, partner.w, Q);
  };

  /* Eq. 2: the weights of one component, averaged with their mirror image. */
  const mask = (network, component, T, N) => {
    if (!network) return new Float64Array(T * N).fill(1);
    const weights = linear(linear(component, network.reduce), network.expand)
      .map(z => 1 / (1 + Math.exp(-z)));
    return weights.map((w, i) => (w + weights[maths.mirror(i, T, N)]) / 2);
  };
  /* Eq. 1 to 5. */
  const attend = (x, attention, T, N) => {
    const size = T * N, C = x.length / size, zero = new Float64Array(size);
    const mean = new Float64Array(size);
    x.forEach((value, i) => { mean[i % size] += value / C; });
    const [real, imaginary] = maths.dft2(mean, zero, T, N, -1);
    const cosine = mask(attention.cosine, real, T, N);
    const sine = mask(attention.sine, imaginary, T, N);
    const y = new Float64Array(x.length);
    for (let c = 0; c < C; c++) {
      const channel = x.subarray(c * size, (c + 1) * size);
      const spectrum = maths.dft2(channel, zero, T, N, -1);
      y.set(maths.masked(spectrum, cosine, sine, T, N), c * size);
    }
    return attention.residual ? add(x, y) : y;
  };

  const unit = (x, block, name, axes, kernel, T, N) => {
    const rows = block.scale.length;
    const local = convolution(x, block[name], kernel, rows, T, N);
    const partner = block.partners[axes];
    return partner ? add(local, nonLocal(x, partner, axes, rows, T, N)) : local;
  };
  /* What the spatio-temporal unit of a block reads. */
  const side = (x, block, T, N) => add(
    unit(x, block, "temporal", "t", [block.kernel, 1], T, N),
    unit(x, block, "spatial", "s", [1, block.kernel], T, N));
  const apply = (x, block, T, N) => {
    const {kernel, residual, scale} = block;
    const h = unit(side(x, block, T, N), block, "spatiotemporal", "st",
      [kernel, kernel], T, N);
    const sum = add(h, residual ? pointwise(x, residual, scale.length) : x);
    return affine(sum, block).map(value => Math.max(0, value));
  };
  const maximum = (x, [a, b], T, N) => {
    const t = Math.floor(T / a), n = Math.floor(N / b), C = x.length / (T * N);
    return Float64Array.from({length: C * t * n}, (_, i) => {
      const c = Math.floor(i / (t * n)), at = i % (t * n);
      const first = (c * T + Math.floor(at / n) * a) * N + at % n * b;
      let most = -Infinity;
      for (let k = 0; k < a * b; k++)
        most = Math.max(most, x[first + Math.floor(k / b) * N + k % b]);
      return most;
    });
  };

  /* The input of a stream's first block: X'' (C, T, N'). */
  const attended = (x, stream) => {
    const T = plan.frames;
    if (stream.velocity) {
      const N = plan.joints;
      x = x.map((value, i) =>
        Math.floor(i / N) % T < T - 1 ? x[i + N] - value : 0);
    }
    if (stream.normalise) x = affine(x, stream.normalise);
    if (stream.skeleton) x = skeleton(x, stream.skeleton, plan.joints);
    if (stream.coordinate)
      x = pointwise(x, stream.coordinate, stream.coordinate.length / plan.channels);
    return stream.attention ? attend(x, stream.attention, T, stream.joints) : x;
  };
  const features = (x, stream) => {
    let [T, N] = [plan.frames, stream.joints];
    let h = attended(x, stream);
    stream.blocks.forEach((block, i) => {
      h = apply(h, block, T, N);
      if (i % 2 === 0) return;
      h = maximum(h, plan.pool, T, N);
      [T, N] = [Math.floor(T / plan.pool[0]), Math.floor(N / plan.pool[1])];
    });
    const size = T * N;
    return Float64Array.from({length: h.length / size}, (_, c) =>
      h.subarray(c * size, (c + 1) * size).reduce((a, b) => a + b, 0) / size);
  };

  return {
    /* The logits of each classifier for positions x (C, T, N). */
    logits(x) {
      const parts = {};
      for (const name in plan.streams) parts[name] = features(x, plan.streams[name]);
      const each = Object.values(parts);
      parts.fused = plan.concatenate ? each.flatMap(part => [...part])
        : each[0].map((_, i) => each.reduce((sum, part) => sum + part[i], 0));
      return Object.fromEntries(Object.entries(plan.classifiers).map(
        ([name, classifier]) => [name, [...linear(parts[name], classifier)]]));
    },
    /* The affinities of the first block's partners: axes => position i of (T, N') =>
       weights over all of them, 0 outside of i's group. */
    field(x, name) {
      const stream = plan.streams[name], [T, N] = [plan.frames, stream.joints];
      const h = attended(x, stream), block = stream.blocks[0];
      return axes => {
        const input = axes === "st" ? side(h, block, T, N) : h;
        const {phi, psi} = embeddings(input, block.partners[axes], T * N);
        return i => {
          const group = groups(axes, T, N).find(([first, step, count]) =>
            (i - first) % step === 0 && i >= first && i < first + step * count);
          const [first, step, count] = group, field = new Float64Array(T * N);
          const parts = [phi, psi].map(part => gather(part, T * N, group));
          affinities(...parts, (i - first) / step, count)
            .forEach((weight, k) => { field[first + k * step] = weight; });
          return field;
        };
      };
    },
  };
}
