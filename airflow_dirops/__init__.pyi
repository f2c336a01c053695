# The names this package gives, each imported when it is first asked for; type checkers read them here too.
from .core.stage.retention import Retention as Retention
from .operators.directory_read import DirectoryReadOperator as DirectoryReadOperator
from .operators.staged_transform import StagedTransformOperator as StagedTransformOperator
from .partitions import daily_partitions as daily_partitions
from .partitions import dirops_params as dirops_params
from .sensors.manifest import ManifestSensor as ManifestSensor
from .version import __version__ as __version__
