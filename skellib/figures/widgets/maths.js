(() => {
  const half = word => {
    const exponent = word >> 10 & 31, fraction = word & 1023;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024)
      : fraction * 2 ** -24;
    return word >> 15 ? -size : size;
  };
  const maths = {
    /* Decode what page.tensor and page.coordinates wrote. */
    tensor(packed) {
      const text = packed.f16 ?? packed.f32 ?? packed.i16;
      const {buffer} = Uint8Array.from(atob(text), c => c.charCodeAt(0));
      if (packed.f32 !== undefined) return new Float32Array(buffer);
      if (packed.f16 !== undefined) return Float32Array.from(new Uint16Array(buffer), half);
      return Float32Array.from(new Int16Array(buffer), x => x * packed.unit);
    },
    /* Decode every tensor of a plan, at any depth. */
    tensors(plan) {
      if (plan === null || typeof plan !== "object") return plan;
      if (plan.f16 !== undefined || plan.f32 !== undefined) return maths.tensor(plan);
      if (Array.isArray(plan)) return plan.map(maths.tensors);
      return Object.fromEntries(
        Object.entries(plan).map(([name, part]) => [name, maths.tensors(part)]));
    },
    /* Eq. 1 by its sums, first over the joints, then over time; both parts (T, N).
       The sign is -1, or +1 for the inverse without its factor 1 / (T N). */
    dft2(real, imaginary, T, N, sign) {
      const along = ([re, im], length, lines, stride, step) => {
        const cos = [], sin = [];
        for (let k = 0; k < length; k++) {
          cos.push(Math.cos(2 * Math.PI * k / length));
          sin.push(sign * Math.sin(2 * Math.PI * k / length));
        }
        const a = new Float64Array(T * N), b = new Float64Array(T * N);
        for (let line = 0; line < lines; line++)
          for (let u = 0; u < length; u++) {
            let p = 0, q = 0;
            for (let k = 0, angle = 0; k < length; k++) {
              const at = line * step + k * stride;
              p += re[at] * cos[angle] - im[at] * sin[angle];
              q += re[at] * sin[angle] + im[at] * cos[angle];
              angle = (angle + u) % length;
            }
            a[line * step + u * stride] = p;
            b[line * step + u * stride] = q;
          }
        return [a, b];
      };
      const rows = along([real, imaginary], N, T, 1, N);
      return along(rows, T, N, N, 1);
    },
    /* The index of (-u, -v) in a plane (T, N). */
    mirror(at, T, N) {
      const u = Math.floor(at / N), v = at % N;
      return (T - u) % T * N + (N - v) % N;
    },
    /* Weight both parts of a spectrum by symmetric masks and transform it back. */
    masked([re, im], cosine, sine, T, N) {
      const weighted = [re.map((x, i) => x * cosine[i]), im.map((x, i) => x * sine[i])];
      return maths.dft2(...weighted, T, N, 1)[0].map(x => x / (T * N));
    },
    /* The losses of Section III-D at a probability of the true class. */
    losses(p, gamma, m) {
      const margin = Math.log1p(Math.expm1(m) * (1 - p)), log = -Math.log(p);
      const focal = (1 - p) ** gamma * log;
      return {CE: log, FL: focal, SMCE: margin + log, SMFL: margin + focal, SM: margin};
    },
    /* Minus their derivatives by the true score of two classes, dp/dz = p (1 - p). */
    gradients(p, gamma, m) {
      const e = Math.expm1(m), q = 1 - p;
      const margin = e / (1 + e * q) * p * q;
      const focal = (q ** gamma / p - gamma * q ** (gamma - 1) * Math.log(p)) * p * q;
      return {CE: q, FL: focal, SMCE: margin + q, SMFL: margin + focal, SM: margin};
    },
    softmax(scores) {
      const most = Math.max(...scores);
      const powers = Array.from(scores, x => Math.exp(x - most));
      const sum = powers.reduce((a, b) => a + b);
      return powers.map(x => x / sum);
    },
    /* Change the tempo of a clip (L, P, 3) and rotate it, first by yaw, then by pitch, in
       degrees. Where a quicker clip ends, it goes on backwards. */
    moved(clip, frames, {yaw, pitch, tempo}) {
      const size = clip.length / frames, last = frames - 1;
      const result = new Float32Array(clip.length);
      const [cy, sy] = [Math.cos(yaw * Math.PI / 180), Math.sin(yaw * Math.PI / 180)];
      const [cp, sp] = [Math.cos(pitch * Math.PI / 180), Math.sin(pitch * Math.PI / 180)];
      for (let t = 0; t < frames; t++) {
        const turn = t * tempo % (2 * last || 1), at = Math.min(turn, 2 * last - turn);
        const left = Math.floor(at), k = at - left;
        const a = left * size, b = Math.min(left + 1, last) * size;
        for (let i = 0; i < size; i += 3) {
          const [x, y, z] = [0, 1, 2].map(c =>
            clip[a + i + c] * (1 - k) + clip[b + i + c] * k);
          const depth = cy * z - sy * x;
          result[t * size + i] = sy * z + cy * x;
          result[t * size + i + 1] = cp * y - sp * depth;
          result[t * size + i + 2] = sp * y + cp * depth;
        }
      }
      return result;
    },
    /* Crop a clip (L, P, 3) and resize it to (3, T, P), as preprocessing.crop_resize. */
    resized(clip, frames, [first, kept], T) {
      const size = clip.length / frames, P = size / 3;
      const result = new Float32Array(3 * T * P);
      for (let t = 0; t < T; t++) {
        const at = Math.max(0, (t + 0.5) * kept / T - 0.5);
        const left = Math.min(Math.floor(at), kept - 1), k = at - left;
        const right = Math.min(left + 1, kept - 1);
        for (let i = 0; i < size; i++) {
          const a = clip[(first + left) * size + i], b = clip[(first + right) * size + i];
          result[(i % 3 * T + t) * P + Math.floor(i / 3)] = a + k * (b - a);
        }
      }
      return result;
    },
  };
  return maths;
})()
