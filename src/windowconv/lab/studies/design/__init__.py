"""What a study is: a claim, its variants and contrasts, and the runs that follow from them."""

from windowconv.lab.studies.design.design import Design as Design
