// SPDX-License-Identifier: Apache-2.0
/* A demo service that keeps a CPU some 80 % busy: it scales, sharpens and packs made-up images. */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define WIDTH        320
#define HEIGHT       240
#define THUMB_WIDTH  96
#define THUMB_HEIGHT 72
#define NOINLINE     __attribute__((noinline))

static uint8_t image[HEIGHT][WIDTH];
static uint8_t thumb[THUMB_HEIGHT][THUMB_WIDTH];
static uint8_t sharp[THUMB_HEIGHT][THUMB_WIDTH];

static NOINLINE void decode_image(uint32_t seed)
{
	for (size_t y = 0; y < HEIGHT; y++)
		for (size_t x = 0; x < WIDTH; x++) {
			seed = seed * 1664525 + 1013904223;
			image[y][x] = (uint8_t)((x * y / 64 + (seed >> 28)) & 0xff);
		}
}

/* Fixed point, 8 bits behind the point. */
static NOINLINE uint8_t pixel_between(uint32_t x, uint32_t y)
{
	uint32_t x0 = x >> 8, y0 = y >> 8, fx = x & 0xff, fy = y & 0xff;
	uint32_t top = image[y0][x0] * (256 - fx) + image[y0][x0 + 1] * fx;
	uint32_t bottom = image[y0 + 1][x0] * (256 - fx) + image[y0 + 1][x0 + 1] * fx;

	return (uint8_t)((top * (256 - fy) + bottom * fy) >> 16);
}

static NOINLINE void scale_bilinear(void)
{
	for (uint32_t y = 0; y < THUMB_HEIGHT; y++)
		for (uint32_t x = 0; x < THUMB_WIDTH; x++)
			thumb[y][x] = pixel_between(x * ((WIDTH - 2) << 8) / THUMB_WIDTH,
				y * ((HEIGHT - 2) << 8) / THUMB_HEIGHT);
}

static NOINLINE void sharpen(void)
{
	for (size_t y = 1; y + 1 < THUMB_HEIGHT; y++)
		for (size_t x = 1; x + 1 < THUMB_WIDTH; x++) {
			int around = thumb[y - 1][x] + thumb[y + 1][x] + thumb[y][x - 1] +
				thumb[y][x + 1];
			int value = 5 * thumb[y][x] - around;

			sharp[y][x] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
		}
}

static NOINLINE size_t encode_runs(void)
{
	const uint8_t *pixels = &sharp[0][0];
	size_t runs = 0;

	for (size_t i = 0, start = 0; i < sizeof(sharp); i++)
		if (pixels[i] != pixels[start] || i - start == 255) {
			start = i;
			runs++;
		}
	return runs;
}

static NOINLINE size_t make_thumbnail(uint32_t seed)
{
	decode_image(seed);
	for (int pass = 0; pass < 4; pass++) {
		scale_bilinear();
		sharpen();
	}
	return encode_runs();
}

int main(void)
{
	volatile size_t last;

	for (uint32_t seed = 1;; seed++) {
		for (int i = 0; i < 20; i++)
			last = make_thumbnail(seed + (uint32_t)i);
		nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
	}
	return (int)last;
}
