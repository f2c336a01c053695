# The names this package gives, each imported when it is first asked for; type checkers read them here too.
from .calendar.form import dirops_params as dirops_params
from .calendar.schedules import daily_partitions as daily_partitions
from .calendar.schedules import hourly_partitions as hourly_partitions
from .calendar.schedules import monthly_partitions as monthly_partitions
from .calendar.schedules import weekly_partitions as weekly_partitions
from .calendar.windows import partitions as partitions
from .core.stage.retention import Retention as Retention
from .operators.directory_read import DirectoryReadOperator as DirectoryReadOperator
from .operators.staged_transform import StagedTransformOperator as StagedTransformOperator
from .relays import arrivals as arrivals
from .relays import commits as commits
from .runtime.asking import current_partition as current_partition
from .runtime.asking import open_snapshot as open_snapshot
from .runtime.assets import target_asset as target_asset
from .sensors.directory import DirectorySensor as DirectorySensor
from .sensors.manifest import ManifestSensor as ManifestSensor
from .version import __version__ as __version__
