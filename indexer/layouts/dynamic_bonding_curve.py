"""What Meteora DBC writes: IDL `dynamic_bonding_curve` 0.2.1 (SDK 1.5.12), all versions since April 2025.

Long because the IDL is: one table, made from the IDL once and compared with it by tests/decoders/test_layouts.py.
"""

from typing import Final

from app.domain.programs import METEORA_DBC
from indexer.layouts.idl import Idl

_TYPES: Final = {
    "AccountsType": "enum TransferHookBase TransferHookBaseReferral",
    "BaseFeeConfig": """
        cliff_fee_numerator u64, second_factor u64, third_factor u64, first_factor u16, base_fee_mode u8,
        padding_0 [u8;5]
    """,
    "BaseFeeParameters": """
        cliff_fee_numerator u64, first_factor u16, second_factor u64, third_factor u64, base_fee_mode u8
    """,
    "ConfigParameters": """
        pool_fees PoolFeeParameters, collect_fee_mode u8, migration_option u8, activation_type u8, token_type u8,
        token_decimal u8, partner_liquidity_percentage u8, partner_permanent_locked_liquidity_percentage u8,
        creator_liquidity_percentage u8, creator_permanent_locked_liquidity_percentage u8,
        migration_quote_threshold u64, sqrt_start_price u128, locked_vesting LockedVestingParams,
        migration_fee_option u8, token_supply option<TokenSupplyParams>, creator_trading_fee_percentage u8,
        token_update_authority u8, migration_fee MigrationFee, migrated_pool_fee MigratedPoolFee,
        pool_creation_fee u64, partner_liquidity_vesting_info LiquidityVestingInfoParams,
        creator_liquidity_vesting_info LiquidityVestingInfoParams, migrated_pool_base_fee_mode u8,
        migrated_pool_market_cap_fee_scheduler_params MigratedPoolMarketCapFeeSchedulerParams,
        enable_first_swap_with_min_fee bool, compounding_fee_bps u16, padding [u8;2], curve
        vec<LiquidityDistributionParameters>
    """,
    "CreatePartnerMetadataParameters": "padding [u8;96], name string, website string, logo string",
    "CreateVirtualPoolMetadataParameters": "padding [u8;96], name string, website string, logo string",
    "DynamicFeeConfig": """
        initialized u8, padding [u8;7], max_volatility_accumulator u32, variable_fee_control u32, bin_step u16,
        filter_period u16, decay_period u16, reduction_factor u16, padding2 [u8;8], bin_step_u128 u128
    """,
    "DynamicFeeParameters": """
        bin_step u16, bin_step_u128 u128, filter_period u16, decay_period u16, reduction_factor u16,
        max_volatility_accumulator u32, variable_fee_control u32
    """,
    "InitializePoolParameters": "name string, symbol string, uri string",
    "LiquidityDistributionConfig": "sqrt_price u128, liquidity u128",
    "LiquidityDistributionParameters": "sqrt_price u128, liquidity u128",
    "LiquidityVestingInfo": """
        is_initialized u8, vesting_percentage u8, _padding [u8;2], bps_per_period u16, number_of_periods u16,
        frequency u32, cliff_duration_from_migration_time u32
    """,
    "LiquidityVestingInfoParams": """
        vesting_percentage u8, bps_per_period u16, number_of_periods u16, cliff_duration_from_migration_time u32,
        frequency u32
    """,
    "LockedVestingConfig": """
        amount_per_period u64, cliff_duration_from_migration_time u64, frequency u64, number_of_period u64,
        cliff_unlock_amount u64, _padding u64
    """,
    "LockedVestingParams": """
        amount_per_period u64, cliff_duration_from_migration_time u64, frequency u64, number_of_period u64,
        cliff_unlock_amount u64
    """,
    "MigratedPoolFee": "collect_fee_mode u8, dynamic_fee u8, pool_fee_bps u16",
    "MigratedPoolMarketCapFeeSchedulerParams": """
        number_of_period u16, sqrt_price_step_bps u16, scheduler_expiration_duration u32, reduction_factor u64
    """,
    "MigrationFee": "fee_percentage u8, creator_fee_percentage u8",
    "PoolConfig": """
        quote_mint pubkey, fee_claimer pubkey, leftover_receiver pubkey, pool_fees PoolFeesConfig,
        partner_liquidity_vesting_info LiquidityVestingInfo, creator_liquidity_vesting_info LiquidityVestingInfo,
        padding_0 [u8;14], padding_1 u16, collect_fee_mode u8, migration_option u8, activation_type u8,
        token_decimal u8, version u8, token_type u8, quote_token_flag u8,
        partner_permanent_locked_liquidity_percentage u8, partner_liquidity_percentage u8,
        creator_permanent_locked_liquidity_percentage u8, creator_liquidity_percentage u8, migration_fee_option
        u8, fixed_token_supply_flag u8, creator_trading_fee_percentage u8, token_update_authority u8,
        migration_fee_percentage u8, creator_migration_fee_percentage u8, padding_2 [u8;7], swap_base_amount u64,
        migration_quote_threshold u64, migration_base_threshold u64, migration_sqrt_price u128,
        locked_vesting_config LockedVestingConfig, pre_migration_token_supply u64, post_migration_token_supply
        u64, migrated_collect_fee_mode u8, migrated_dynamic_fee u8, migrated_pool_fee_bps u16,
        migrated_pool_base_fee_mode u8, enable_first_swap_with_min_fee u8, migrated_compounding_fee_bps u16,
        pool_creation_fee u64, migrated_pool_base_fee_bytes [u8;16], sqrt_start_price u128, curve
        [LiquidityDistributionConfig;20]
    """,
    "PoolFeeParameters": "base_fee BaseFeeParameters, dynamic_fee option<DynamicFeeParameters>",
    "PoolFeesConfig": "base_fee BaseFeeConfig, dynamic_fee DynamicFeeConfig",
    "PoolMetrics": """
        total_protocol_base_fee u64, total_protocol_quote_fee u64, total_trading_base_fee u64,
        total_trading_quote_fee u64
    """,
    "PoolState": """
        volatility_tracker VolatilityTracker, config pubkey, creator pubkey, base_mint pubkey, base_vault pubkey,
        quote_vault pubkey, base_reserve u64, quote_reserve u64, protocol_base_fee u64, protocol_quote_fee u64,
        partner_base_fee u64, partner_quote_fee u64, sqrt_price u128, activation_point u64, pool_type u8,
        is_migrated u8, is_partner_withdraw_surplus u8, is_protocol_withdraw_surplus u8, migration_progress u8,
        is_withdraw_leftover u8, is_creator_withdraw_surplus u8, migration_fee_withdraw_status u8, metrics
        PoolMetrics, finish_curve_timestamp u64, creator_base_fee u64, creator_quote_fee u64,
        legacy_creation_fee_bits u8, creation_fee_bits u8, has_swap u8, _padding_0 [u8;5],
        protocol_liquidity_migration_fee_bps u16, _padding_1 [u8;6], protocol_migration_base_fee_amount u64,
        protocol_migration_quote_fee_amount u64, _padding_2 [u64;3]
    """,
    "RemainingAccountsSlice": "accounts_type AccountsType, length u8",
    "SwapParameters": "amount_in u64, minimum_amount_out u64",
    "SwapParameters2": "amount_0 u64, amount_1 u64, swap_mode u8",
    "SwapResult": """
        actual_input_amount u64, output_amount u64, next_sqrt_price u128, trading_fee u64, protocol_fee u64,
        referral_fee u64
    """,
    "SwapResult2": """
        included_fee_input_amount u64, excluded_fee_input_amount u64, amount_left u64, output_amount u64,
        next_sqrt_price u128, trading_fee u64, protocol_fee u64, referral_fee u64
    """,
    "TokenSupplyParams": "pre_migration_token_supply u64, post_migration_token_supply u64",
    "TransferHookAccountsInfo": "slices vec<RemainingAccountsSlice>",
    "VolatilityTracker": """
        last_update_timestamp u64, padding [u8;8], sqrt_price_reference u128, volatility_accumulator u128,
        volatility_reference u128
    """,
}
_EVENTS: Final = {
    "EvtClaimCreatorTradingFee": "pool pubkey, token_base_amount u64, token_quote_amount u64",
    "EvtClaimPoolCreationFee": "pool pubkey, receiver pubkey, creation_fee u64",
    "EvtClaimProtocolFee2": "pool pubkey, receiver_token_account pubkey, token_mint pubkey, amount u64",
    "EvtClaimTradingFee": "pool pubkey, token_base_amount u64, token_quote_amount u64",
    "EvtCloseClaimFeeOperator": "claim_fee_operator pubkey, operator pubkey",
    "EvtCloseTokenBadge": "token_mint pubkey",
    "EvtCreateClaimFeeOperator": "operator pubkey",
    "EvtCreateConfig": """
        config pubkey, quote_mint pubkey, fee_claimer pubkey, owner pubkey, pool_fees PoolFeeParameters,
        collect_fee_mode u8, migration_option u8, activation_type u8, token_decimal u8, token_type u8,
        partner_permanent_locked_liquidity_percentage u8, partner_liquidity_percentage u8,
        creator_permanent_locked_liquidity_percentage u8, creator_liquidity_percentage u8, swap_base_amount u64,
        migration_quote_threshold u64, migration_base_amount u64, sqrt_start_price u128, locked_vesting
        LockedVestingParams, migration_fee_option u8, fixed_token_supply_flag u8, pre_migration_token_supply u64,
        post_migration_token_supply u64, curve vec<LiquidityDistributionParameters>
    """,
    "EvtCreateConfigV2": """
        config pubkey, quote_mint pubkey, fee_claimer pubkey, leftover_receiver pubkey, config_parameters
        ConfigParameters
    """,
    "EvtCreateConfigV2WithTransferHook": """
        config pubkey, quote_mint pubkey, fee_claimer pubkey, leftover_receiver pubkey, config_parameters
        ConfigParameters, transfer_hook_program pubkey
    """,
    "EvtCreateMeteoraMigrationMetadata": "virtual_pool pubkey",
    "EvtCreateTokenBadge": "token_mint pubkey",
    "EvtCreatorWithdrawSurplus": "pool pubkey, surplus_amount u64",
    "EvtCurveComplete": "pool pubkey, config pubkey, base_reserve u64, quote_reserve u64",
    "EvtCurveCompleteWithTransferHook": "pool pubkey, config pubkey, base_reserve u64, quote_reserve u64",
    "EvtInitializePool": """
        pool pubkey, config pubkey, creator pubkey, base_mint pubkey, pool_type u8, activation_point u64
    """,
    "EvtInitializePoolWithTransferHook": """
        pool pubkey, config pubkey, creator pubkey, base_mint pubkey, pool_type u8, activation_point u64
    """,
    "EvtPartnerClaimPoolCreationFee": "pool pubkey, partner pubkey, creation_fee u64, fee_receiver pubkey",
    "EvtPartnerMetadata": "partner_metadata pubkey, fee_claimer pubkey",
    "EvtPartnerWithdrawSurplus": "pool pubkey, surplus_amount u64",
    "EvtSwap": """
        pool pubkey, config pubkey, trade_direction u8, has_referral bool, params SwapParameters, swap_result
        SwapResult, amount_in u64, current_timestamp u64
    """,
    "EvtSwap2": """
        pool pubkey, config pubkey, trade_direction u8, has_referral bool, swap_parameters SwapParameters2,
        swap_result SwapResult2, quote_reserve_amount u64, migration_threshold u64, current_timestamp u64
    """,
    "EvtSwap2WithTransferHook": """
        pool pubkey, config pubkey, trade_direction u8, has_referral bool, swap_parameters SwapParameters2,
        swap_result SwapResult2, quote_reserve_amount u64, migration_threshold u64, current_timestamp u64
    """,
    "EvtUpdatePoolCreator": "pool pubkey, creator pubkey, new_creator pubkey",
    "EvtVirtualPoolMetadata": "virtual_pool_metadata pubkey, virtual_pool pubkey",
    "EvtWithdrawLeftover": "pool pubkey, leftover_receiver pubkey, leftover_amount u64",
    "EvtWithdrawMigrationFee": "pool pubkey, fee u64, flag u8",
    # Last seen in the IDL of 2026-03-10.
    "EvtClaimProtocolFee": "pool pubkey, token_base_amount u64, token_quote_amount u64",
    # Last seen in the IDL of 2026-03-10.
    "EvtClaimProtocolLiquidityMigrationFee": "pool pubkey, token_base_amount u64, token_quote_amount u64",
    # Last seen in the IDL of 2025-08-13.
    "EvtCreateDammV2MigrationMetadata": "virtual_pool pubkey",
    # Last seen in the IDL of 2026-03-10.
    "EvtPartnerWithdrawMigrationFee": "pool pubkey, fee u64",
    # Last seen in the IDL of 2026-01-06.
    "EvtProtocolWithdrawSurplus": "pool pubkey, surplus_amount u64",
}
_INSTRUCTIONS: Final = {
    "claim_creator_trading_fee": (
        "max_base_amount u64, max_quote_amount u64",
        """
            pool_authority pool token_a_account token_b_account base_vault quote_vault base_mint quote_mint
            creator token_base_program token_quote_program event_authority program
        """,
    ),
    "claim_creator_trading_fee2": (
        """
            max_base_amount u64, max_quote_amount u64, transfer_hook_accounts_info TransferHookAccountsInfo
        """,
        """
            pool_authority pool token_a_account token_b_account base_vault quote_vault base_mint quote_mint
            creator token_base_program token_quote_program event_authority program
        """,
    ),
    "claim_partner_pool_creation_fee": (
        "",
        "config pool fee_claimer fee_receiver event_authority program",
    ),
    "claim_protocol_fee2": (
        "max_amount u64",
        """
            receiver_token_account base_mint quote_mint token_base_program token_quote_program config pool
            base_vault quote_vault pool_authority signer
        """,
    ),
    "claim_protocol_pool_creation_fee": (
        "",
        "config pool operator signer treasury event_authority program",
    ),
    "claim_trading_fee": (
        "max_amount_a u64, max_amount_b u64",
        """
            pool_authority config pool token_a_account token_b_account base_vault quote_vault base_mint quote_mint
            fee_claimer token_base_program token_quote_program event_authority program
        """,
    ),
    "claim_trading_fee2": (
        """
            max_amount_a u64, max_amount_b u64, transfer_hook_accounts_info TransferHookAccountsInfo
        """,
        """
            pool_authority config pool token_a_account token_b_account base_vault quote_vault base_mint quote_mint
            fee_claimer token_base_program token_quote_program event_authority program
        """,
    ),
    "close_claim_protocol_fee_operator": (
        "",
        "claim_fee_operator rent_receiver signer event_authority program",
    ),
    "close_operator_account": (
        "",
        "operator signer rent_receiver",
    ),
    "close_token_badge": (
        "",
        "token_badge operator signer rent_receiver event_authority program",
    ),
    "create_config": (
        "config_parameters ConfigParameters",
        """
            config fee_claimer leftover_receiver quote_mint payer system_program event_authority program
        """,
    ),
    "create_config_with_transfer_hook": (
        "config_parameters ConfigParameters",
        """
            config fee_claimer leftover_receiver quote_mint transfer_hook_program payer system_program
            event_authority program
        """,
    ),
    "create_locker": (
        "",
        """
            virtual_pool config pool_authority base_vault base_mint base creator escrow escrow_token payer
            token_program locker_program locker_event_authority system_program
        """,
    ),
    "create_operator_account": (
        "permission u128",
        "operator whitelisted_address signer payer system_program event_authority program",
    ),
    "create_partner_metadata": (
        "metadata CreatePartnerMetadataParameters",
        "partner_metadata payer fee_claimer system_program event_authority program",
    ),
    "create_token_badge": (
        "",
        """
            token_badge token_mint operator signer payer system_program event_authority program
        """,
    ),
    "create_virtual_pool_metadata": (
        "metadata CreateVirtualPoolMetadataParameters",
        """
            virtual_pool virtual_pool_metadata creator payer system_program event_authority program
        """,
    ),
    "creator_withdraw_surplus": (
        "",
        """
            pool_authority config virtual_pool token_quote_account quote_vault quote_mint creator
            token_quote_program event_authority program
        """,
    ),
    "initialize_virtual_pool_with_spl_token": (
        "params InitializePoolParameters",
        """
            config pool_authority creator base_mint quote_mint pool base_vault quote_vault mint_metadata
            metadata_program payer token_quote_program token_program system_program event_authority program
        """,
    ),
    "initialize_virtual_pool_with_token2022": (
        "params InitializePoolParameters",
        """
            config pool_authority creator base_mint quote_mint pool base_vault quote_vault payer
            token_quote_program token_program system_program event_authority program
        """,
    ),
    "initialize_virtual_pool_with_token2022_transfer_hook": (
        "params InitializePoolParameters",
        """
            config pool_authority creator base_mint quote_mint pool base_vault quote_vault transfer_hook_program
            payer token_quote_program token_program system_program event_authority program
        """,
    ),
    "migrate_meteora_damm": (
        "",
        """
            virtual_pool migration_metadata config pool_authority pool damm_config lp_mint token_a_mint
            token_b_mint a_vault b_vault a_token_vault b_token_vault a_vault_lp_mint b_vault_lp_mint a_vault_lp
            b_vault_lp base_vault quote_vault virtual_pool_lp protocol_token_a_fee protocol_token_b_fee payer rent
            mint_metadata metadata_program amm_program vault_program token_program associated_token_program
            system_program
        """,
    ),
    "migrate_meteora_damm_claim_lp_token": (
        "",
        """
            virtual_pool migration_metadata pool_authority lp_mint source_token destination_token owner sender
            token_program
        """,
    ),
    "migrate_meteora_damm_lock_lp_token": (
        "",
        """
            virtual_pool migration_metadata pool_authority pool lp_mint lock_escrow owner source_tokens
            escrow_vault amm_program a_vault b_vault a_vault_lp b_vault_lp a_vault_lp_mint b_vault_lp_mint
            token_program
        """,
    ),
    "migration_damm_v2": (
        "",
        """
            virtual_pool migration_metadata config pool_authority pool first_position_nft_mint
            first_position_nft_account first_position second_position_nft_mint second_position_nft_account
            second_position damm_pool_authority amm_program base_mint quote_mint token_a_vault token_b_vault
            base_vault quote_vault payer token_base_program token_quote_program token_2022_program
            damm_event_authority system_program
        """,
    ),
    "migration_damm_v2_create_metadata": (
        "",
        """
            virtual_pool config migration_metadata payer system_program event_authority program
        """,
    ),
    "migration_meteora_damm_create_metadata": (
        "",
        """
            virtual_pool config migration_metadata payer system_program event_authority program
        """,
    ),
    "partner_withdraw_surplus": (
        "",
        """
            pool_authority config virtual_pool token_quote_account quote_vault quote_mint fee_claimer
            token_quote_program event_authority program
        """,
    ),
    "swap": (
        "params SwapParameters",
        """
            pool_authority config pool input_token_account output_token_account base_vault quote_vault base_mint
            quote_mint payer token_base_program token_quote_program referral_token_account event_authority program
        """,
    ),
    "swap2": (
        "params SwapParameters2",
        """
            pool_authority config pool input_token_account output_token_account base_vault quote_vault base_mint
            quote_mint payer token_base_program token_quote_program referral_token_account event_authority program
        """,
    ),
    "swap2_with_transfer_hook": (
        "params SwapParameters2, transfer_hook_accounts_info TransferHookAccountsInfo",
        """
            pool_authority config pool input_token_account output_token_account base_vault quote_vault base_mint
            quote_mint payer token_base_program token_quote_program referral_token_account event_authority program
        """,
    ),
    "transfer_pool_creator": (
        "",
        "virtual_pool config creator new_creator event_authority program",
    ),
    "withdraw_leftover": (
        "",
        """
            pool_authority config virtual_pool token_base_account base_vault base_mint leftover_receiver
            token_base_program event_authority program
        """,
    ),
    "withdraw_migration_fee": (
        "flag u8",
        """
            pool_authority config virtual_pool token_quote_account quote_vault quote_mint sender
            token_quote_program event_authority program
        """,
    ),
    # Last seen in the IDL of 2026-01-06.
    "claim_legacy_pool_creation_fee": (
        "",
        "pool claim_fee_operator signer treasury system_program event_authority program",
    ),
    # Last seen in the IDL of 2025-10-23.
    "claim_pool_creation_fee": (
        "",
        "pool claim_fee_operator operator treasury system_program event_authority program",
    ),
    # Last seen in the IDL of 2026-03-10.
    "claim_protocol_fee": (
        "max_base_amount u64, max_quote_amount u64",
        """
            pool_authority config pool base_vault quote_vault base_mint quote_mint token_base_account
            token_quote_account operator signer token_base_program token_quote_program event_authority program
        """,
    ),
    # Last seen in the IDL of 2025-10-23.
    "close_claim_fee_operator": (
        "",
        "claim_fee_operator rent_receiver admin event_authority program",
    ),
    # Last seen in the IDL of 2025-10-23.
    "create_claim_fee_operator": (
        "",
        "claim_fee_operator operator admin system_program event_authority program",
    ),
    # Last seen in the IDL of 2026-01-24.
    "create_claim_protocol_fee_operator": (
        "",
        "claim_fee_operator operator signer payer system_program event_authority program",
    ),
    # Last seen in the IDL of 2026-01-06.
    "protocol_withdraw_surplus": (
        "",
        """
            pool_authority config virtual_pool token_quote_account quote_vault quote_mint claim_fee_operator
            signer token_quote_program event_authority program
        """,
    ),
    # Last seen in the IDL of 2025-10-23.
    "withdraw_lamports_from_pool_authority": (
        "",
        "pool_authority receiver system_program",
    ),
    # Last seen in the IDL of 2026-03-10.
    "zap_protocol_fee": (
        "max_amount u64",
        """
            pool_authority config pool token_vault token_mint receiver_token operator signer token_program
            sysvar_instructions
        """,
    ),
}
_ACCOUNTS: Final = {
    "ClaimFeeOperator": "operator pubkey, _padding [u8;128]",
    "ConfigWithTransferHook": "config PoolConfig, transfer_hook_program pubkey, padding_0 [u64;6]",
    "MeteoraDammMigrationMetadata": """
        virtual_pool pubkey, padding_0 [u8;32], partner pubkey, lp_mint pubkey, partner_locked_liquidity u64,
        partner_liquidity u64, creator_locked_liquidity u64, creator_liquidity u64, _padding_0 u8,
        creator_locked_status u8, partner_locked_status u8, creator_claim_status u8, partner_claim_status u8,
        _padding [u8;107]
    """,
    "Operator": "whitelisted_address pubkey, permission u128, padding [u64;2]",
    "PartnerMetadata": "fee_claimer pubkey, padding [u128;6], name string, website string, logo string",
    "PoolConfig": """
        quote_mint pubkey, fee_claimer pubkey, leftover_receiver pubkey, pool_fees PoolFeesConfig,
        partner_liquidity_vesting_info LiquidityVestingInfo, creator_liquidity_vesting_info LiquidityVestingInfo,
        padding_0 [u8;14], padding_1 u16, collect_fee_mode u8, migration_option u8, activation_type u8,
        token_decimal u8, version u8, token_type u8, quote_token_flag u8,
        partner_permanent_locked_liquidity_percentage u8, partner_liquidity_percentage u8,
        creator_permanent_locked_liquidity_percentage u8, creator_liquidity_percentage u8, migration_fee_option
        u8, fixed_token_supply_flag u8, creator_trading_fee_percentage u8, token_update_authority u8,
        migration_fee_percentage u8, creator_migration_fee_percentage u8, padding_2 [u8;7], swap_base_amount u64,
        migration_quote_threshold u64, migration_base_threshold u64, migration_sqrt_price u128,
        locked_vesting_config LockedVestingConfig, pre_migration_token_supply u64, post_migration_token_supply
        u64, migrated_collect_fee_mode u8, migrated_dynamic_fee u8, migrated_pool_fee_bps u16,
        migrated_pool_base_fee_mode u8, enable_first_swap_with_min_fee u8, migrated_compounding_fee_bps u16,
        pool_creation_fee u64, migrated_pool_base_fee_bytes [u8;16], sqrt_start_price u128, curve
        [LiquidityDistributionConfig;20]
    """,
    "TokenBadge": "token_mint pubkey, _padding [u8;128]",
    "TransferHookPool": "pool_state PoolState",
    "VirtualPool": "pool_state PoolState",
    "VirtualPoolMetadata": "virtual_pool pubkey, padding [u128;6], name string, website string, logo string",
}
DBC: Final = Idl(METEORA_DBC, _TYPES, _EVENTS, _INSTRUCTIONS, _ACCOUNTS)
