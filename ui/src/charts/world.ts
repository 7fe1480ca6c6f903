/** The outlines of countries (Natural Earth, public domain, at 1:110 million), loaded when the first map is drawn. */

import { registerMap } from "echarts/core";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import atlas from "world-atlas/countries-110m.json";

const world = atlas as unknown as Topology<{ countries: GeometryCollection<{ name: string }> }>;

/** Moves what lies beyond the line of dates beside its own shore: a flat map would draw lines across the world. */
function unwrapped(ring: number[][]): number[][] {
  let shift = 0;
  return ring.map(([lon = 0, lat = 0], i) => {
    const before = ring[i - 1]?.[0];
    if (before !== undefined && lon - before > 180) shift -= 360;
    if (before !== undefined && lon - before < -180) shift += 360;
    return [lon + shift, lat];
  });
}

const shapes = feature(world, world.objects.countries);

const flat = {
  ...shapes,
  // Antarctica has no customers, and takes a fifth of the map.
  features: shapes.features
    .filter((country) => country.properties.name !== "Antarctica")
    .map((country) => {
      const { geometry } = country;
      if (geometry.type === "Polygon") return { ...country, geometry: { ...geometry, coordinates: geometry.coordinates.map(unwrapped) } };
      if (geometry.type === "MultiPolygon") return { ...country, geometry: { ...geometry, coordinates: geometry.coordinates.map((polygon) => polygon.map(unwrapped)) } };
      return country;
    }),
};

/** Names of the countries that are drawn. */
export const countries: ReadonlySet<string> = new Set(flat.features.map((country) => country.properties.name));

registerMap("world", flat as unknown as Parameters<typeof registerMap>[1]);
