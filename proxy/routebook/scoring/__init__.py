"""What a prompt looks like and how hard it is: named signals, a class of task, a score, and how good one is at telling.

Everything here is arithmetic on text: no network, no model file, no library. A prompt is read within bounds (`excerpt`),
its `signals` are counted once, and the linear `scorer` says how hard it is, signal by signal, so that its reasons can be
read. `fitting` makes the weights from outcomes, `measures` says what they are worth.
"""
