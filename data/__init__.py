"""The input side: from `--dataset` to one uint8 array of images, and from that array to batches.

find.py          finds the images; sources/ has one file for each kind of source
missing.py       error messages for a missing dataset
conversions.py   how to convert files that cannot be read as a dataset
load.py          those images as a pack: decoded, cropped and resized once, by packing/
labels.py        a label vector for each image
label_choice.py  the labels to draw: turns --label into vectors
batches.py       which images each training step sees
fetch.py         downloads the named datasets
limits.py        the limits on files from elsewhere, which may be hostile
"""
