"""Revenue of the coming week: the mean of each weekday so far, for every currency."""

import collections
import csv
import datetime
import os

days = collections.defaultdict(list)
last = datetime.date.min
with open(os.path.join(os.environ["WEIR_INPUT_DAILY_REVENUE"], "daily_revenue.csv"), newline="") as file:
    for row in csv.DictReader(file):
        day = datetime.date.fromisoformat(row["day"][:10])
        last = max(last, day)
        days[row["currency"], day.weekday()].append(float(row["revenue"]))

with open(os.path.join(os.environ["WEIR_OUT"], "forecast.csv"), "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["day", "currency", "revenue"])
    for ahead in range(1, 8):
        day = last + datetime.timedelta(days=ahead)
        for currency in sorted({currency for currency, _ in days}):
            known = days[currency, day.weekday()]
            if known:
                writer.writerow([day, currency, round(sum(known) / len(known), 2)])

print(f"forecast a week from {last} on, of {sum(map(len, days.values()))} days")
