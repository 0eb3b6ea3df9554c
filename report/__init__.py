"""`--report`: a run as one HTML file, to show to others, without TensorFlow or a network.

`document.py` puts it together from web/ and the other modules. The file requests nothing, and what
a run lacks, such as scores, is left out of it.
"""
