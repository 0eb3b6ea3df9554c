"""All limits on files from elsewhere, which may be hostile, and the reason for each.

Modules write `limits.MAX_PIXELS`, so that a test can change a limit everywhere at once.
"""

MB = 2**20
GB = 2**30

# One encoded image.
MAX_ENCODED_BYTES = 256 * MB  # six times the largest JPEG of a 61 MP camera
MAX_PIXELS = 89_478_485  # Pillow's MAX_IMAGE_PIXELS, 256 MB in RGB; above it, Pillow warns
MAX_JPEG_SCANS = 500  # each takes as long as a whole image; libjpeg-turbo's fuzzers stop there
MAX_BYTES_READ_AT_ONCE = 16 * MB  # a larger file is read piece by piece, as it is decoded

# Memory for decoding: MAX_WORKERS processes of MAX_WORKER_BYTES take MAX_DECODING_BYTES.
MAX_DECODING_BYTES = 1 * GB  # for all images being decoded, unless a single one takes more
MAX_UNGATED_BYTES = 8 * MB  # an image that takes less never waits for memory
MAX_WORKERS = 16  # processes; each takes 45 MB before it decodes anything
MAX_WORKER_BYTES = 64 * MB  # per image in a worker; the main process decodes larger ones
MAX_FLOAT64_PIXELS = 2**20  # of a 16-bit or float image, scaled in float64 at once

# Between a source and its pack.
MAX_IMAGES_IN_FLIGHT = 64  # images from a zip wait in memory
MAX_ENCODED_BYTES_IN_FLIGHT = 256 * MB  # if images are large, fewer are in flight
MAX_UNREADABLE_SHARE = 0.10  # of all images; with more, the dataset itself is probably wrong
MAX_UNREADABLE_FORGIVEN = 3  # whatever their share, for datasets of a handful of files
MAX_REASON_CHARACTERS = 120  # why an image was skipped; the text may come from the file

# Folders and zips.
MAX_FOLDER_DEPTH = 100  # os.walk calls itself for each level
MAX_ZIP_DIRECTORY_BYTES = 128 * MB  # lists 2.8 million files; ImageNet's 1.3 million take 110 MB
MAX_ENTRY_INFLATION = 100  # unpacked bytes per byte in the zip; a JPEG has 1.1
MAX_ENTRY_BYTES_UNCHECKED = 16 * MB  # smaller entries may inflate by any factor
LZMA_PIECE_BYTES = 4096  # read at a time; zipfile inflates all that it reads, here to 30 MB
MAX_RECORD_BYTES = 32 * MB  # of .written.json files in an archive; 100,000 samples take 8 MB
MAX_FILES_DESCRIBED = 5000  # examined to say what a folder without images holds

# Tars and arrays, which are read as a stream.
MAX_NUMBERED_IMAGES = 5_000_000  # their names are in memory; the same number as for IDX files
MAX_BYTES_INFLATED_UNCHECKED = 1 * GB  # above it, MAX_ENTRY_INFLATION per compressed byte
MAX_TAR_HEADER_BYTES = 1 * MB  # of a name or of attributes; a path may take 4 kB
MAX_CLASS_BYTES = 1000  # of a .cls file, which holds a number or a word
MAX_ARRAY_HEADER_BYTES = 10_000  # the limit of numpy.lib.format
MAX_ARRAYS_IN_NPZ = 1000  # their headers are read to find the images
MAX_LABEL_BYTES = 1 * GB  # a class for each image: 8 bytes, or a word

# Pages of parquet files, which pyarrow inflates whole; larger ones obey MAX_ENTRY_INFLATION.
MAX_PAGE_BYTES_UNCHECKED = 64 * MB  # pyarrow holds up to six copies of one; its own are 1 MB
MAX_METADATA_BYTES = 16 * MB  # of a parquet file; thousands of columns and row groups take less
MAX_PAGE_HEADER_BYTES = 64 * 1024  # pyarrow writes two images of at most 4 kB each into it

# Files that one pattern in --dataset names.
MAX_PATHS_NAMED = 100_000  # by braces; LAION-400M has 41,408 tars

# IDX files, which are read into memory whole.
MAX_IDX_BYTES = 1536 * MB  # EMNIST, the largest of the family, is 0.6 GB
MAX_IDX_IMAGES = 5_000_000  # their names are in memory too; EMNIST has 0.8 million

# LMDBs.
MAX_LMDB_WAIT_SECONDS = 60  # for one image; a sleeping disk takes ten

# Labels.
MAX_CLASSES = 22_000  # ImageNet-21k has as many; a label vector then takes 88 kB
MAX_ATTRIBUTES_BYTES = 256 * MB  # CelebA's file is 27 MB; any file may be one long line
MIN_SHARE_WITH_ATTRIBUTES = 0.10  # of the images; with fewer, the file is probably another's
MAX_NAMES_BYTES = 256 * MB  # of --exclude's file; CelebA's names take 2 MB
MAX_ATTRIBUTES_LISTED = 50  # in an error; CelebA has 40
