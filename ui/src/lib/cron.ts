/** Cron lines as people say them, as far as there is a short way to say it. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const whole = (text: string, most: number): number | null => (/^\d{1,2}$/.test(text) && Number(text) <= most ? Number(text) : null);

/** Says when a cron line is due, such as `every day at 03:30`; null where that would be a riddle, too. */
export function cronWords(line: string): string | null {
  const [minute = "", hour = "", day = "", month = "", weekday = "", ...rest] = line.trim().split(/\s+/);
  if (rest.length > 0 || month !== "*") return null;
  const at = whole(minute, 59);
  if (hour === "*" && day === "*" && weekday === "*") {
    if (minute === "*") return "every minute";
    const step = /^\*\/(\d+)$/.exec(minute)?.[1];
    // Steps that do not divide the hour are of different lengths.
    if (step !== undefined) return Number(step) > 0 && 60 % Number(step) === 0 ? (step === "1" ? "every minute" : `every ${step} minutes`) : null;
    return at === null ? null : at === 0 ? "every hour" : `every hour, ${at} minutes past`;
  }
  const of = whole(hour, 23);
  if (at === null || of === null) return null;
  const time = `at ${String(of).padStart(2, "0")}:${String(at).padStart(2, "0")}`;
  if (day === "*" && weekday === "*") return `every day ${time}`;
  if (day === "*" && weekday === "1-5") return `on working days ${time}`;
  const named = whole(weekday, 7);
  if (day === "*" && named !== null) return `every ${DAYS[named]} ${time}`;
  const date = whole(day, 31);
  if (weekday === "*" && date !== null && date > 0) return date === 1 ? `on the first of each month ${time}` : `on day ${date} of each month ${time}`;
  return null;
}
