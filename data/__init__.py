"""The input side: from `--dataset` to one uint8 array of images, and from that array to batches.

find.py          where the images are; each kind of place is a file in sources/
missing.py       what to say about images that are missing
conversions.py   what to do with files that are not a dataset
load.py          those images as a pack: decoded, cropped and resized once, by packing/
labels.py        a label vector for each image
label_choice.py  the labels to draw: from --label to vectors
batches.py       which images each training step sees
fetch.py         downloads the named datasets
limits.py        how far files that somebody else made are trusted
"""
