/** One measured figure beside the floor that was measured in the same run. */
export interface BenchRow {
  /** What is compared: `figure / floor`. */
  name: string;
  figure: number;
  floor: number;
  /** Largest ratio that is good enough; null: told without a target. */
  target: number | null;
  /** Of figure and floor. */
  unit: string;
}

export const ratioOf = (row: BenchRow): number => row.figure / row.floor;
