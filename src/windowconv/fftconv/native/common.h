// What every instruction set's file includes before it names its instructions: code from here, standard templates
// too, must not be compiled for them, since the linker keeps one copy for all.
#pragma once

#include "kernels.h"
#include "parallel.h"

#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <utility>
