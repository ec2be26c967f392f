"""What `windowconv.antialias` exports, for type checkers; `__init__.py` loads it lazily."""

from windowconv.antialias.blurring import blur as blur
from windowconv.antialias.filters import blur_taps as blur_taps
from windowconv.antialias.frequency import FrequencyLowPassPool as FrequencyLowPassPool
from windowconv.antialias.frequency import frequency_low_pass as frequency_low_pass
from windowconv.antialias.model import antialias as antialias
from windowconv.antialias.model import plan_antialias as plan_antialias
from windowconv.antialias.model import undo_antialias as undo_antialias
from windowconv.antialias.pooling import BlurPool1d as BlurPool1d
from windowconv.antialias.pooling import BlurPool2d as BlurPool2d
from windowconv.antialias.pooling import BlurPool3d as BlurPool3d
from windowconv.antialias.pooling import MaxBlurPool1d as MaxBlurPool1d
from windowconv.antialias.pooling import MaxBlurPool2d as MaxBlurPool2d
from windowconv.antialias.pooling import MaxBlurPool3d as MaxBlurPool3d
from windowconv.antialias.upsampling import BlurUpsample1d as BlurUpsample1d
from windowconv.antialias.upsampling import BlurUpsample2d as BlurUpsample2d
from windowconv.antialias.upsampling import BlurUpsample3d as BlurUpsample3d
