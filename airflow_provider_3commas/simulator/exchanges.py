"""The exchanges that an account may be on, as 3Commas names them."""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_3commas.simulator.account_specs import PAPER_MARKET_CODE


class Exchange(NamedTuple):
    """An exchange as 3Commas names it, with what sell-all to USD sells into there."""

    exchange_name: str
    display_type: str
    dollar: str = "USDT"


# Those of Binance, bybit_spot, okex, kucoin and paper_trading are codes that were seen; the others are likely ones,
# there so that a fleet has several exchanges.
EXCHANGES: dict[str, Exchange] = {
    "binance": Exchange("Binance Spot", "Binance"),
    "binance_us": Exchange("Binance US Spot", "BinanceUs"),
    "binance_margin": Exchange("Binance Margin", "BinanceMargin"),
    "binance_futures": Exchange("Binance Futures USDT-M", "BinanceFutures"),
    "binance_futures_coin": Exchange("Binance Futures COIN-M", "BinanceFuturesCoin"),
    "binance_futures_eea": Exchange("Binance Futures USDT-M (EEA)", "BinanceFuturesEea"),
    "gdax": Exchange("Coinbase Advanced Spot", "Gdax", "USD"),
    "gemini": Exchange("Gemini Spot", "Gemini", "USD"),
    "kraken": Exchange("Kraken Spot", "Kraken", "USD"),
    "bybit_spot": Exchange("Bybit Spot", "BybitSpot"),
    "gate_io": Exchange("GateIo", "GateIo"),
    "okex": Exchange("OKX Spot", "Okex"),
    "huobi": Exchange("Huobi Spot", "Huobi"),
    "bitfinex": Exchange("Bitfinex Spot", "Bitfinex", "USD"),
    "kucoin": Exchange("Kucoin Spot", "Kucoin"),
    "bitstamp": Exchange("Bitstamp Spot", "Bitstamp", "USD"),
    PAPER_MARKET_CODE: Exchange("Paper Trading Account", "PaperTrading"),
}
