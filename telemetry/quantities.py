"""What can be measured at a mine, what people call it, and the units that fit it.

A unit has one spelling. `UNITS` lists them by dimension; a quantity has one dimension, and a
channel's unit must be one of that dimension's. Nothing is ever converted silently from unit
to unit: the bounds, the range and the formulas of a channel are in the unit that it names.
"""

from dataclasses import dataclass
from typing import Final

UNITS: Final[dict[str, tuple[str, ...]]] = {
    "length": ("m", "cm", "mm", "ft", "in"),
    "length rate": ("mm/h", "mm/d", "mm/min", "m/d", "cm/d", "in/h"),
    "speed": ("m/s", "mm/s", "ft/min"),
    "acceleration": ("mg", "g", "m/s²"),
    "angle": ("°", "mrad", "rad"),
    "pressure": ("kPa", "Pa", "MPa", "hPa", "bar", "psi"),
    "force": ("kN", "N", "MN"),
    "temperature": ("°C", "°F", "K"),
    "flow": ("L/s", "m³/s", "m³/min", "m³/h"),
    "ratio": ("%",),
    "strain": ("µε",),
    "turbidity": ("NTU",),
    "voltage": ("V", "mV"),
    "current": ("A", "mA"),
    "resistance": ("Ω", "kΩ"),
    "power": ("kW", "W", "MW"),
    "energy": ("J", "kJ", "MJ"),
    "moment": ("N·m", "kN·m"),
    "magnitude": ("M", "Mw", "ML"),
    "frequency": ("Hz", "kHz"),
    "digits": ("digits",),
    "count": ("count", "count/min", "count/h", "count/d"),
    "level of power": ("dBm", "dB"),
    "mass per length": ("kg/m",),
    "time": ("s", "min", "h", "d"),
    "state": ("state",),
    "none": ("1",),
}

# What people also write, and how we spell it: told in the complaint, never accepted silently.
SPELLINGS: Final[dict[str, str]] = {
    "ohm": "Ω",
    "ohms": "Ω",
    "Ohm": "Ω",
    "kohm": "kΩ",
    "C": "°C",
    "degC": "°C",
    "deg C": "°C",
    "℃": "°C",
    "celsius": "°C",
    "F": "°F",
    "degF": "°F",
    "deg": "°",
    "degree": "°",
    "degrees": "°",
    "m3/s": "m³/s",
    "m^3/s": "m³/s",
    "m3/min": "m³/min",
    "m3/h": "m³/h",
    "m^3/h": "m³/h",
    "l/s": "L/s",
    "m/s2": "m/s²",
    "m/s^2": "m/s²",
    "kpa": "kPa",
    "KPa": "kPa",
    "Mpa": "MPa",
    "mpa": "MPa",
    "pa": "Pa",
    "hz": "Hz",
    "HZ": "Hz",
    "counts": "count",
    "percent": "%",
    "ft.": "ft",
    "inch": "in",
    "inches": "in",
    "Nm": "N·m",
    "ntu": "NTU",
    "microstrain": "µε",
    "με": "µε",
    "Kn": "kN",
    "kn": "kN",
    "-": "1",
    "none": "1",
    "volt": "V",
    "volts": "V",
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that can be measured or calculated."""

    key: str
    dimension: str
    en: str
    zh: str

    @property
    def units(self) -> tuple[str, ...]:
        """The units that fit, the usual one first."""
        return UNITS[self.dimension]

    @property
    def is_discrete(self) -> bool:
        """Whether the quantity has named states and no limits."""
        return self.dimension == "state"


_TABLE: Final[tuple[Quantity, ...]] = (
    # Tailings dams: water in and behind the dam.
    Quantity("phreatic_depth", "length", "Phreatic depth", "浸润线埋深"),
    Quantity("phreatic_elevation", "length", "Phreatic elevation", "浸润线高程"),
    Quantity("pore_pressure", "pressure", "Pore pressure", "孔隙水压力"),
    Quantity("water_level", "length", "Water level", "水位"),
    Quantity("pond_level", "length", "Pond level", "库水位"),
    Quantity("beach_crest_elevation", "length", "Beach crest elevation", "滩顶高程"),
    Quantity("crest_elevation", "length", "Crest elevation", "坝顶高程"),
    Quantity("dry_beach_length", "length", "Dry beach length", "干滩长度"),
    Quantity("dry_beach_slope", "ratio", "Dry beach slope", "干滩坡度"),
    Quantity("freeboard", "length", "Freeboard", "超高"),
    Quantity("safety_freeboard", "length", "Safety freeboard", "安全超高"),
    Quantity("rainfall", "length", "Rainfall", "降水量"),
    Quantity("rain_intensity", "length rate", "Rain intensity", "降雨强度"),
    Quantity("seepage_flow", "flow", "Seepage flow", "渗流量"),
    Quantity("weir_head", "length", "Head over the weir", "堰上水头"),
    Quantity("turbidity", "turbidity", "Turbidity", "浊度"),
    # Displacements of a surface, of a body, of rock.
    Quantity("surface_displacement", "length", "Surface displacement", "表面位移"),
    Quantity("horizontal_displacement", "length", "Horizontal displacement", "水平位移"),
    Quantity("vertical_displacement", "length", "Vertical displacement", "竖向位移"),
    Quantity("east_displacement", "length", "Displacement to the east", "东向位移"),
    Quantity("north_displacement", "length", "Displacement to the north", "北向位移"),
    Quantity("internal_displacement", "length", "Internal displacement", "内部位移"),
    Quantity("deep_displacement", "length", "Deep displacement", "深部位移"),
    Quantity("multipoint_displacement", "length", "Multi-point displacement", "多点位移"),
    Quantity("los_displacement", "length", "Line-of-sight displacement", "视线向形变"),
    Quantity("displacement", "length", "Displacement", "位移"),
    Quantity("displacement_rate", "length rate", "Displacement rate", "位移速率"),
    Quantity("los_velocity", "length rate", "Line-of-sight velocity", "视线向形变速率"),
    Quantity("settlement", "length", "Settlement", "沉降"),
    Quantity("subsidence", "length", "Subsidence", "地表沉降"),
    Quantity("crack_opening", "length", "Crack opening", "裂缝开度"),
    Quantity("tilt", "angle", "Tilt", "倾角"),
    Quantity("acceleration", "acceleration", "Acceleration", "加速度"),
    Quantity("strain", "strain", "Strain", "应变"),
    # Slopes: forces, ground water, blasting.
    Quantity("anchor_load", "force", "Anchor load", "锚索应力"),
    Quantity("groundwater_level", "length", "Groundwater level", "地下水位"),
    Quantity("groundwater_depth", "length", "Groundwater depth", "地下水埋深"),
    Quantity("soil_moisture", "ratio", "Soil moisture", "土壤含水率"),
    Quantity("soil_suction", "pressure", "Soil suction", "基质吸力"),
    Quantity("blast_vibration", "speed", "Blast vibration", "爆破振动"),
    # Deep mines: stress, convergence, microseismic activity.
    Quantity("borehole_stress", "pressure", "Borehole stress", "钻孔应力"),
    Quantity("stress", "pressure", "Stress", "应力"),
    Quantity("support_pressure", "pressure", "Support pressure", "支架工作阻力(压强)"),
    Quantity("support_load", "force", "Support load", "支架工作阻力"),
    Quantity("bolt_load", "force", "Bolt load", "锚杆受力"),
    Quantity("roof_separation", "length", "Roof separation", "顶板离层"),
    Quantity("convergence", "length", "Convergence", "收敛"),
    Quantity("microseismic_count", "count", "Microseismic events", "微震事件数"),
    Quantity("microseismic_energy", "energy", "Microseismic energy", "微震能量"),
    Quantity("microseismic_magnitude", "magnitude", "Microseismic magnitude", "微震震级"),
    Quantity("microseismic_moment", "moment", "Seismic moment", "地震矩"),
    Quantity("source_radius", "length", "Source radius", "震源半径"),
    Quantity("acoustic_emission_count", "count", "Acoustic emissions", "地音事件数"),
    Quantity("electromagnetic_emission", "voltage", "Electromagnetic emission", "电磁辐射"),
    Quantity("drill_cuttings", "mass per length", "Drill cuttings", "钻屑量"),
    Quantity("water_inflow", "flow", "Water inflow", "涌水量"),
    # Main fans.
    Quantity("running_state", "state", "Running state", "运行状态"),
    Quantity("commanded_state", "state", "Commanded state", "指令状态"),
    Quantity("reversal_state", "state", "Reversal", "反风状态"),
    Quantity("air_flow", "flow", "Air flow", "风量"),
    Quantity("air_speed", "speed", "Air speed", "风速"),
    Quantity("negative_pressure", "pressure", "Negative pressure", "负压"),
    Quantity("motor_current", "current", "Motor current", "电机电流"),
    Quantity("motor_power", "power", "Motor power", "电机功率"),
    Quantity("bearing_temperature", "temperature", "Bearing temperature", "轴承温度"),
    Quantity("vibration_velocity", "speed", "Vibration velocity", "振动速度"),
    # What comes along with a measurement, and what loggers give before it is converted.
    Quantity("barometric_pressure", "pressure", "Barometric pressure", "大气压"),
    Quantity("air_temperature", "temperature", "Air temperature", "气温"),
    Quantity("temperature", "temperature", "Temperature", "温度"),
    Quantity("humidity", "ratio", "Humidity", "湿度"),
    Quantity("supply_voltage", "voltage", "Supply voltage", "供电电压"),
    Quantity("signal_strength", "level of power", "Signal strength", "信号强度"),
    Quantity("frequency", "frequency", "Frequency", "频率"),
    Quantity("digits", "digits", "Vibrating-wire digits", "振弦读数"),
    Quantity("resistance", "resistance", "Resistance", "电阻"),
    Quantity("voltage", "voltage", "Voltage", "电压"),
    Quantity("current", "current", "Current", "电流"),
    Quantity("pressure", "pressure", "Pressure", "压力"),
    Quantity("load", "force", "Load", "荷载"),
    Quantity("flow", "flow", "Flow", "流量"),
    Quantity("elevation", "length", "Elevation", "高程"),
    Quantity("distance", "length", "Distance", "距离"),
    Quantity("ratio", "ratio", "Ratio", "比率"),
    Quantity("count", "count", "Count", "计数"),
    Quantity("duration", "time", "Duration", "时长"),
    Quantity("state", "state", "State", "状态"),
    Quantity("voted_level", "state", "Voted level", "综合预警等级"),
    Quantity("index", "none", "Index", "指数"),
)

QUANTITIES: Final[dict[str, Quantity]] = {quantity.key: quantity for quantity in _TABLE}


def unit_fits(quantity: str, unit: str) -> bool:
    """Tell whether a unit is one of a known quantity's."""
    return quantity in QUANTITIES and unit in QUANTITIES[quantity].units
