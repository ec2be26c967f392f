"""Numbers about the spectra of kernels: pure functions on tensors, in float64."""

from windowconv.spectra.leakage import LeakageCurve, leakage_curve, power_spectrum

__all__ = ["LeakageCurve", "leakage_curve", "power_spectrum"]
