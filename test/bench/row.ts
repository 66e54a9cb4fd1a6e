/** One measured figure beside the floor that was measured in the same run. */
export interface BenchRow {
  /** What is compared: `figure / floor`. */
  name: string;
  figure: number;
  floor: number;
  /** Ratio that is good enough: the largest, or with `atLeast` the smallest; null: told without a target. */
  target: number | null;
  /** For what grows with how good it is, such as throughput. */
  atLeast?: true;
  /** Of figure and floor. */
  unit: string;
}

export const ratioOf = (row: BenchRow): number => row.figure / row.floor;

export const isGood = (row: BenchRow): boolean =>
  row.target === null || (row.atLeast ? ratioOf(row) >= row.target : ratioOf(row) <= row.target);
