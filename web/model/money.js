/** Amounts and prices as people read them. */

const formats = new Map();

/** An amount in minor units as a sum of its currency: 123450 EUR is "€1,234.50". */
export function money(amountMinor, currency, language) {
  const format = formatOf(currency, language);
  return format.format(amountMinor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** A price in hundredths of decimal odds: 235 is "2.35"; long prices need no hundredths. */
export function price(hundredths) {
  const odds = hundredths / 100;
  return odds >= 100 ? String(Math.floor(odds)) : odds.toFixed(2);
}

function formatOf(currency, language) {
  const key = `${currency} ${language}`;
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(language, { style: "currency", currency }));
  return formats.get(key);
}
