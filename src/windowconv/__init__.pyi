"""What `windowconv` exports, for type checkers; `__init__.py` loads it lazily."""

from windowconv.algorithms import algorithm_report as algorithm_report
from windowconv.algorithms import set_algorithm as set_algorithm
from windowconv.checkpoint import load_weights as load_weights
from windowconv.checkpoint import save_weights as save_weights
from windowconv.conversion import convert as convert
from windowconv.effective import effective_weight as effective_weight
from windowconv.effective import register_weight as register_weight
from windowconv.errors import InputError as InputError
from windowconv.errors import WindowWarning as WindowWarning
from windowconv.fftconv.convolution import fft_conv1d as fft_conv1d
from windowconv.fftconv.convolution import fft_conv2d as fft_conv2d
from windowconv.fftconv.convolution import fft_conv3d as fft_conv3d
from windowconv.folding import fold as fold
from windowconv.folding import trim_report as trim_report
from windowconv.functional import apply_window as apply_window
from windowconv.functional import windowed_conv1d as windowed_conv1d
from windowconv.functional import windowed_conv2d as windowed_conv2d
from windowconv.functional import windowed_conv3d as windowed_conv3d
from windowconv.functional import windowed_conv_transpose1d as windowed_conv_transpose1d
from windowconv.functional import windowed_conv_transpose2d as windowed_conv_transpose2d
from windowconv.functional import windowed_conv_transpose3d as windowed_conv_transpose3d
from windowconv.inference import prepare_inference as prepare_inference
from windowconv.inference import release_inference as release_inference
from windowconv.layers import WindowedConv1d as WindowedConv1d
from windowconv.layers import WindowedConv2d as WindowedConv2d
from windowconv.layers import WindowedConv3d as WindowedConv3d
from windowconv.layers import WindowedConvTranspose1d as WindowedConvTranspose1d
from windowconv.layers import WindowedConvTranspose2d as WindowedConvTranspose2d
from windowconv.layers import WindowedConvTranspose3d as WindowedConvTranspose3d
from windowconv.learnable import LearnableWindow as LearnableWindow
from windowconv.model_summary import summary as summary
from windowconv.plan import plan_conversion as plan_conversion
from windowconv.spectra.network import leakage as leakage
from windowconv.windows import Window as Window
from windowconv.windows import as_window as as_window
from windowconv.windows import get_window as get_window

__version__: str
