/* The entry point that libFuzzer calls and fuzz_folder.c drives without it. Always returns 0. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
