"""What is measured on finished runs, by one protocol; packages add to it by entry points `windowconv.evaluations`."""

from windowconv.lab.evaluations.network import Network as Network
from windowconv.lab.evaluations.protocol import Evaluation as Evaluation
from windowconv.lab.evaluations.protocol import Measurement as Measurement
from windowconv.lab.evaluations.protocol import Metric as Metric
